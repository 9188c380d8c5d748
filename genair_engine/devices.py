"""Which device work runs on, and how much memory it took there."""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from genair_engine.errors import ModelError


def pick_device(device: str) -> torch.device:
    """The device of this name; "auto" is a CUDA GPU where there is one. Raises ModelError."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"There is no kind of device {device!r}: give auto, cpu, cuda or cuda:1.") from error
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise ModelError("No CUDA GPU is available here: use the device auto or cpu.")
    try:
        torch.zeros(1, device=picked).item()
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        raise ModelError(f"The device {device!r} cannot be used here: give auto, cpu, cuda or cuda:1.") from error
    return picked


def device_name(device: torch.device) -> str:
    """What to call a device in a record: "cpu", or the GPU's model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def free_memory(device: torch.device) -> int:
    """Bytes that could still be used there."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available


@contextmanager
def enough_memory(advice: str) -> Iterator[None]:
    """Raises ModelError, with what to do, where a GPU's memory does not suffice for the block."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        asked = str(error).partition(" GPU ")[0]  # then follows the state of torch's allocator
        raise ModelError(f"The GPU's memory is too small for this ({asked.rstrip('. ')}). {advice}") from error


def give_back_freed(device: torch.device) -> None:
    """Gives the main memory that was freed back to the system, on the CPU and where the C library can.

    glibc keeps holes between what is still in use, and buffers that grow leave holes that are too small for the next one:
    without this, writing 512 archetypes took 300 to 600 MB by chance, with it 300. It takes about 5 ms.
    """
    if device.type == "cpu":
        with suppress(AttributeError, OSError, TypeError):  # macOS, musl, Windows
            ctypes.CDLL(None).malloc_trim(0)


@dataclass
class PeakMemory:
    """Filled when its block ends. megabytes: 10^6 bytes."""

    megabytes: float = 0.0


@contextmanager
def peak_memory(device: torch.device) -> Iterator[PeakMemory]:
    """Measures the block's peak memory.

    GPU: what torch allocated there. Linux: the process's largest resident set during the block (the kernel's high-water
    mark is reset first). Elsewhere: the largest resident set since the process began.
    """
    peak = PeakMemory()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        peak.megabytes = torch.cuda.max_memory_allocated(device) / 1e6
        return
    with suppress(OSError):  # not Linux, or /proc may not be written
        Path("/proc/self/clear_refs").write_text("5")
    yield peak
    peak.megabytes = _resident_peak() / 1e6


def _resident_peak() -> int:
    """Bytes. The kernel's VmHWM, which can be reset, where there is one."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
