"""Losses that a method adds to the ranking loss with a weight; it returns them from `Method.losses`."""
