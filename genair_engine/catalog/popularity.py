"""How items are grouped by popularity."""

POPULARITY_GROUPS = 5
"""Quintiles of the training counts, as in the paper's figure 5; group 1 holds the least popular items."""
