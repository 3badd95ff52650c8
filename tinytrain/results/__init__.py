"""Records of measured runs, statistics over seeds, comparisons, the published weights."""
