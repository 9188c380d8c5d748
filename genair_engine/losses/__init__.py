"""Losses, one class a file: `ranking/` has what ranks, by name; `extra/` what a method adds to it with a weight.

A ranking loss sees the predicted positions of a step and compares each next item with others. An extra loss (calibration, a
teacher's) sees the same step. Numbers obtained with different ranking losses are not comparable as "the same model": a run's
loss is part of its name.
"""
