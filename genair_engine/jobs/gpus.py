"""The GPUs of this machine as a worker sees them, asked of the driver's own tool: a worker loads no torch."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

import psutil
from pydantic import BaseModel, ConfigDict

_FIELDS = "index,uuid,name,memory.total,memory.free,utilization.gpu"


class Gpu(BaseModel):
    """One GPU. total_mb, free_mb: MiB, as the driver says. utilization: percent."""

    model_config = ConfigDict(frozen=True)

    index: int
    name: str
    total_mb: int
    free_mb: int
    utilization: int


def probe() -> list[Gpu]:
    """The GPUs that this process may use (CUDA_VISIBLE_DEVICES); none where there is no driver, or it says nothing."""
    return ask() or []


def ask() -> list[Gpu] | None:
    """As `probe`; None where there is a driver that cannot be asked now."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except FileNotFoundError:
        return []
    except (OSError, subprocess.SubprocessError):
        return None
    gpus = [read for line in answer.stdout.splitlines() if (read := _gpu(line))]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [gpu for _, gpu in gpus]
    allowed = [part.strip() for part in visible.split(",") if part.strip()]
    return [gpu for uuid, gpu in gpus if any(name == str(gpu.index) or _names(name, uuid) for name in allowed)]


def _names(given: str, uuid: str) -> bool:
    """Whether a name in CUDA_VISIBLE_DEVICES, the whole of a UUID or its beginning, is this GPU's."""
    return given.startswith("GPU-") and uuid.startswith(given)


def _gpu(line: str) -> tuple[str, Gpu] | None:
    """UUID and GPU of a line; None for one that tells of a GPU which has failed."""
    with suppress(ValueError):
        index, uuid, name, total, free, utilization = (part.strip() for part in line.split(","))
        memory = psutil.virtual_memory()  # what a GPU without any of its own uses
        return uuid, Gpu(
            index=int(index),
            name=name,
            total_mb=_mb(total, memory.total),
            free_mb=_mb(free, memory.available),
            utilization=int(utilization) if utilization.isdigit() else 0,  # "[N/A]" on some GPUs
        )
    return None


def _mb(figure: str, shared: int) -> int:
    """Raises ValueError where it is neither a number nor the driver's word for no such thing."""
    return shared >> 20 if figure in ("[N/A]", "[Not Supported]") else int(figure)
