"""The way to the cluster: what has to be so before Ray is asked, the connection of this process, and Ray's errors as ours."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from genair_engine.errors import GenairError, InputError, ModelError, NonFiniteError, OutageError, WorkspaceError
from genair_engine.settings import REPOSITORY, Settings

REACH_SECONDS = 5.0
PASSED_ON = ("FSSPEC_", "AWS_", "HF_HUB_OFFLINE", "HF_HOME")
"""Beginnings of environment variables that the cluster's processes get beside our own settings."""


def importable(module: str) -> Any:
    """A module of Ray. Raises InputError where Ray is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # what runs here is nobody else's business
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"GENAIR_RAY_ADDRESS is set, but Ray is not usable ({error}): pip install -r requirements-ray.txt, or unset it."
        ) from error


def shared(settings: Settings) -> None:
    """Raises InputError where other machines could not use the database."""
    if settings.database.startswith("sqlite"):
        raise InputError(
            "A Ray cluster cannot share a SQLite file: name a PostgreSQL database in GENAIR_DATABASE_URL, or unset "
            "GENAIR_RAY_ADDRESS."
        )


def reachable(address: str) -> None:
    """Raises InputError for an address that is none, OutageError where nobody answers."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        port = None
    if parts.scheme not in ("", "http", "https") or not parts.hostname or port is None:
        raise InputError(
            f"GENAIR_RAY_ADDRESS is {address!r}: write head:6379 on the cluster's machines, else http://head:8265."
        )
    try:
        socket.create_connection((parts.hostname, port), timeout=REACH_SECONDS).close()
    except OSError as error:
        raise OutageError(
            f"No Ray cluster answers at {address} ({error.strerror or error}). Is it running, and is GENAIR_RAY_ADDRESS right?"
        ) from None


def variables(settings: Settings) -> dict[str, str]:
    """The environment variables of a process on the cluster that works with these settings."""
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    return passed | settings.environment() | {"PYTHONPATH": str(REPOSITORY)}


def connect(settings: Settings) -> Any:
    """Connects this process to the cluster, once, and returns the module `ray`.

    Raises InputError where Ray or PostgreSQL are missing or this machine is not in the cluster, OutageError where nobody
    answers.
    """
    ray = importable("ray")
    if ray.is_initialized():
        return ray
    shared(settings)
    inside = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ  # a job of the cluster: its address and its variables are set
    address = os.environ["RAY_ADDRESS"] if inside else str(settings.ray_address)
    if not inside and "://" in address:
        raise InputError(
            f"GENAIR_RAY_ADDRESS is {address!r}, which takes jobs only: submit this as a job, or run it on a machine of the "
            "cluster with an address such as head:6379."
        )
    reachable(address)
    environment = None if inside else {"env_vars": {"PYTHONPATH": str(REPOSITORY)}}
    main = threading.current_thread() is threading.main_thread()
    ours = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"This machine cannot join the Ray cluster at {address}: {reason}") from error
    finally:
        if main and ours is not None:
            signal.signal(signal.SIGTERM, ours)  # Ray's would end a job in the middle; ours stops it at a checkpoint
    return ray


def placed(settings: Settings, device: str) -> tuple[str, int]:
    """Which device "auto" is, here or on the cluster, and how many of its GPUs a verb may use at a time; 0: CPUs, or here.

    Raises ModelError where there is no such device, InputError for a certain one of a cluster, and as `connect`.
    """
    if settings.ray_address is None:
        from genair_engine.devices import pick_device  # torch

        return str(pick_device(device)), 0
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"The device {device!r} names a GPU of one machine: on a Ray cluster give auto, cpu or cuda.")
    resources = connect(settings).cluster_resources()
    gpus = int(resources.get("GPU", 0)) if settings.ray_gpus is None else settings.ray_gpus
    if device == "cuda" and not gpus:
        raise ModelError("The Ray cluster has no GPU, or GENAIR_RAY_GPUS is 0: use the device auto or cpu.")
    return ("cuda", gpus) if gpus and device != "cpu" else ("cpu", 0)


def cpus(settings: Settings) -> int:
    """The CPUs of a task."""
    return settings.threads or 1


def portable(error: GenairError) -> GenairError:
    """The same error, of a class that needs only its message to be made again."""
    for kind in (NonFiniteError, ModelError, InputError, OutageError, WorkspaceError):
        if isinstance(error, kind):
            return kind(str(error))
    return GenairError(str(error))


@contextmanager
def readable_errors(ray: Any) -> Iterator[None]:
    """Raises again what our own code raised on another machine; what else befalls the cluster becomes an OutageError.

    A defect keeps Ray's exception, whose message is the other machine's traceback.
    """
    try:
        yield
    except ray.exceptions.RayError as error:
        inner: BaseException | None = error
        while inner is not None:
            cause = getattr(inner, "cause", None) or inner.__cause__
            if isinstance(cause, GenairError):
                raise cause from None
            inner = cause
        if isinstance(error, ray.exceptions.RayTaskError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise OutageError(f"The Ray cluster failed: {reason} The same again goes on from what is stored.") from error
