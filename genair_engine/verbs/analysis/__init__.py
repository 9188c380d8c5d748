"""The embedding space: spread, entropy, pictures."""
