"""The verb `estimate`: what a training run will cost, before it is launched.

It is measured by training a little, in a short process of its own (`costs`): what that process needs is what the run's
will need, the caller loads no torch, and nothing of the caller's is touched.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from genair_engine.errors import InputError
from genair_engine.settings import REPOSITORY
from genair_engine.verbs.base import Progress, Result, silent
from genair_engine.verbs.training.requests import TrainRequest
from genair_engine.workspace import Workspace

SECONDS = 2.0
"""How long steps are timed, about; starting the process and loading the data come on top."""
TIMEOUT = 300.0
"""Seconds after which the process is ended."""


class Estimate(Result):
    """What a run will cost.

    seconds_per_epoch: without validation, as in `RunResult`. validation_seconds: ranking the validation items after an epoch.
    memory_mb: the peak of the run's process (of its GPU memory, on a GPU), 10^6 bytes. efficiency: as in `RunResult`. epochs:
    the most that it trains. how: how all this was obtained, in words.
    """

    device: str
    trainable_parameters: int
    efficiency: dict[str, int]
    seconds_per_epoch: float
    validation_seconds: float
    memory_mb: float
    epochs: int
    how: str

    @property
    def most_seconds(self) -> float:
        """Of all epochs and their validation: what it takes if it never stops early."""
        return self.epochs * (self.seconds_per_epoch + self.validation_seconds)

    def lines(self) -> list[str]:
        flops = self.efficiency
        return [
            f"{self.trainable_parameters:,} trainable parameters. Inference: {flops['session'] / 1e9:,.3f} GFLOPs for a "
            f"session of {flops['length']} items, {flops['table'] / 1e9:,.3f} GFLOPs once for the item table.",
            f"{self.seconds_per_epoch:.2f} s an epoch and {self.validation_seconds:.2f} s to validate it; at most "
            f"{self.most_seconds:,.0f} s for {self.epochs} epochs. {self.memory_mb:,.0f} MB at the peak, on {self.device}.",
            f"  {self.how}",
        ]


def estimate(workspace: Workspace, request: TrainRequest, progress: Progress = silent) -> Estimate:  # noqa: ARG001
    """Measured on this machine, on the device that the request names; takes a few seconds.

    Raises InputError with the reason where the configuration cannot run here, lack of memory included.
    """
    given = {"request": request.model_dump(mode="json", exclude_unset=True), "seconds": SECONDS}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "genair_engine.verbs.training.costs"],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env=os.environ | workspace.settings.environment(),
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"Measuring took more than {TIMEOUT:.0f} s: this configuration is too slow for this machine."
        ) from None
    if done.returncode == -signal.SIGKILL:
        raise InputError("The system ended the measurement, most likely because it needed more memory than is free.")
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        raise InputError(f"The measurement failed: {(done.stderr.strip().splitlines() or ['it gave no reason'])[-1]}")
    answered = json.loads(lines[-1])
    if "error" in answered:
        raise InputError(answered["error"])
    return Estimate(**answered)
