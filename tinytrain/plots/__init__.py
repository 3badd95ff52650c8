"""Pictures of runs, of data sets and of trained nets."""
