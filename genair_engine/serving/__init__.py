"""Serving: top-K recommendations for any session, from a trained run."""
