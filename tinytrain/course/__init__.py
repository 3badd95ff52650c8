"""The curriculum: rungs with their lessons, what was measured on each, and the page about it."""
