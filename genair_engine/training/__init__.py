"""Training: batches, negatives, losses, co-occurrence and calibration, the trainer and its checkpoints."""
