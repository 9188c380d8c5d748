"""The whole installation: the demo and the doctor."""
