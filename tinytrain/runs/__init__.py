"""A run's folder: its settings, checkpoints, locks, and the net file of the user."""
