"""Records of measured runs, statistics over seeds, comparisons, the nets of runs."""
