"""Losses, one class a file: what ranks (`registry` has them by name), and what a method adds to it.

A ranking loss sees the predicted positions of a step and compares each next item with others. An extra loss (calibration, a
teacher's) has a weight and sees the same step. Numbers obtained with different ranking losses are not comparable as "the same
model": a run's loss is part of its name.
"""
