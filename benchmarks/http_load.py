"""A small load generator: POST requests over kept connections, at a fixed rate or as fast as answers come.

At a fixed rate a latency counts from the moment at which the request was due, not from when a connection was free to send it:
a server that stalls is charged with all requests that it kept waiting.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from dataclasses import dataclass

import numpy as np

CONNECTIONS = 16


@dataclass(frozen=True)
class Load:
    """What came out: answers a second, latencies in ms, and how many answers were not 200."""

    rate: float
    p50: float
    p99: float
    worst: float
    failed: int


def run(port: int, path: str, bodies: list[bytes], seconds: float, rate: float | None = None) -> Load:
    """Loads a server on this machine from a process of its own. rate: requests a second, due at even times; None: closed
    loop, each of the connections sends when it has its answer."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (port, path, bodies, seconds, rate))


def _run(port: int, path: str, bodies: list[bytes], seconds: float, rate: float | None) -> Load:
    return asyncio.run(_load(port, path, bodies, seconds, rate))


async def _load(port: int, path: str, bodies: list[bytes], seconds: float, rate: float | None) -> Load:
    latencies: list[float] = []
    failed = 0
    started = time.perf_counter() + 0.2
    due = iter(np.arange(int(seconds * rate)) / rate) if rate else None
    number = iter(range(10**9))

    async def connection() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            if due is not None:
                try:
                    begin = started + next(due)
                except StopIteration:
                    break
                if (early := begin - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
            else:
                begin = time.perf_counter()
                if begin > started + seconds:
                    break
            body = bodies[next(number) % len(bodies)]
            writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            latencies.append(time.perf_counter() - begin)
            failed += not head.startswith(b"HTTP/1.1 200")
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    took = time.perf_counter() - started
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    return Load(len(latencies) / took, float(p50), float(p99), max(latencies) * 1000, failed)
