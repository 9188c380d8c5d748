"""The catalogue: readers, the Dataset with its sequences and split, evaluation negatives, synthetic data."""
