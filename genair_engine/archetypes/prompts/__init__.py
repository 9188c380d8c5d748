"""Kinds of text that language models write: a file a kind with its prompt and its answer check, a line in `registry`."""
