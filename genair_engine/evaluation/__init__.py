"""Evaluation: ranks under the full-ranking and the sampled protocol, their metrics, by group and beyond accuracy; significance."""
