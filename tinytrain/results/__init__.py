"""Records of measured runs, statistics over seeds, comparisons, and the published weights."""
