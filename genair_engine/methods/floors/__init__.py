"""Floors: recommenders without training, which every table lists and a trained model has to beat; a file each.

All counts come from the training part, so that held-out items never change a score; a history is what the caller shows. Two
rules are common to all. An item of the history weighs decay^age (the last one has age 0), weights of a session sum to 1. And
a count c that rests on n observations is taken as c / (n + shrinkage), so that a pair seen once in an item's only
interaction does not beat one seen a hundred times. The defaults were chosen by NDCG@10 of full ranking on the *validation*
items of amazon-scientific (4,344 items, 8,317 users; content: MiniLM vectors), from a coarse grid; test items were not used.
"""
