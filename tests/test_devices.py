"""Memory that was freed goes back to the system."""

from __future__ import annotations

import platform

import psutil
import pytest
import torch

from genair_engine.devices import give_back_freed


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps holes, and can be told to give them back")
def test_holes_between_what_is_in_use_are_given_back():
    def resident() -> float:
        return psutil.Process().memory_info().rss / 1e6

    pieces = [torch.ones(15_000) for _ in range(3_000)]  # 60 kB each: 180 MB, none large enough for a mapping of its own
    held = pieces[::100]
    full = resident()
    del pieces
    kept = resident()
    give_back_freed(torch.device("cpu"))
    assert kept > full - 100 > resident()
    assert all(mask.sum() == 15_000 for mask in held)
