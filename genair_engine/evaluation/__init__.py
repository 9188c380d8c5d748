"""Evaluation: ranks under the full-ranking and the sampled protocol, and the metrics of these ranks."""
