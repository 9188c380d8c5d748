"""Evaluation: ranks under the full-ranking and the sampled protocol, and the metrics of these ranks."""

from genair_engine.evaluation.metrics import CUTOFFS, metrics
from genair_engine.evaluation.protocol import Protocol, Ranks, Scorer, evaluate

__all__ = ["CUTOFFS", "Protocol", "Ranks", "Scorer", "evaluate", "metrics"]
