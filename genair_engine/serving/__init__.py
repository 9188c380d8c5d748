"""Serving: top-K recommendations for any session, from a trained run."""

from genair_engine.serving.recommender import Recommendation, Recommender

__all__ = ["Recommendation", "Recommender"]
