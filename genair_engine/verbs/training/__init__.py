"""Training runs, one or a whole grid of them, and what that will cost."""
