"""A run's folder: its settings, checkpoints, locks, and the user's own files."""
