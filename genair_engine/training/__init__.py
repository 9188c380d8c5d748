"""Training: batches, negatives, losses, co-occurrence and calibration, the trainer and its checkpoints."""

from genair_engine.training.config import TrainingConfig
from genair_engine.training.trainer import EpochRecord, Trainer

__all__ = ["EpochRecord", "Trainer", "TrainingConfig"]
