"""Texts that language models write about items: writing, reading, scoring, rating and pinning them."""
