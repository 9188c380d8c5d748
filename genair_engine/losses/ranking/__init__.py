"""Losses that rank: each next item against one other, several, or the whole catalogue."""
