"""Evaluation: ranks under both protocols, their metrics, also by group and beyond accuracy, and paired significance."""
