"""The GPUs of this machine as a worker sees them, asked of the driver's own tool: a worker loads no torch."""

from __future__ import annotations

import os
import subprocess

from pydantic import BaseModel, ConfigDict

_FIELDS = "index,name,memory.total,memory.free,utilization.gpu"


class Gpu(BaseModel):
    """One GPU. total_mb, free_mb: MiB, as the driver says. utilization: percent."""

    model_config = ConfigDict(frozen=True)

    index: int
    name: str
    total_mb: int
    free_mb: int
    utilization: int


def probe() -> list[Gpu]:
    """The GPUs that this process may use (CUDA_VISIBLE_DEVICES, by number); none where there is no driver."""
    try:
        found = subprocess.run(
            ["nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    gpus = [_gpu(line) for line in found.stdout.splitlines() if line.strip()]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return gpus
    allowed = {part.strip() for part in visible.split(",")}
    return [gpu for gpu in gpus if str(gpu.index) in allowed]


def _gpu(line: str) -> Gpu:
    index, name, total, free, utilization = (part.strip() for part in line.split(","))
    return Gpu(
        index=int(index),
        name=name,
        total_mb=int(total),
        free_mb=int(free),
        utilization=int(utilization) if utilization.isdigit() else 0,  # "[N/A]" on some GPUs
    )
