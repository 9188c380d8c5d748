"""Logs of jobs as a worker handles them: their last line, what it adds, and their copies where the workspace is a URL.

One thread makes the copies, and the worker's loop does not wait for it: a store that hangs must not let its leases end.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from genair_engine.errors import OutageError
from genair_engine.workspace import Workspace

log = logging.getLogger(__name__)


class Logs:
    """The logs of one worker's jobs, by the names that the workspace has for them. Without a URL nothing is copied."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._waiting: set[str] = set()
        self._thread = threading.Thread(target=self._copy, daemon=True, name="logs")
        if workspace.remote:
            self._thread.start()

    def publish(self, name: str) -> None:
        """Lets other machines read it, some time from now."""
        if self.workspace.remote and name not in self._waiting:
            self._waiting.add(name)
            self._work.put(partial(self._publish, name))

    def fetch(self, name: str, attempt: int, seconds: float) -> None:
        """Brings here what earlier attempts wrote on another machine, so that this one's lines come after theirs.

        Where the attempt before was made here, this copy is the newest. Raises OutageError where the store does not answer
        in so many seconds; any other trouble costs no more than lines of a log.
        """
        if not self.workspace.remote or attempt == 1:
            return
        with suppress(OSError):
            if mark(attempt - 1) in self.workspace.path(name).read_bytes():
                return
        fetched = threading.Event()
        self._work.put(partial(self._fetch, name, fetched))
        if not fetched.wait(seconds):
            raise OutageError(f"{self.workspace.remote.url} has not answered in {seconds:.0f} s.")

    def close(self, seconds: float) -> None:
        """Waits for so long at most until all is copied."""
        self._work.put(None)
        if self.workspace.remote:
            self._thread.join(seconds)

    def _copy(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception as error:
                log.warning("A log is not copied: %s", error)

    def _publish(self, name: str) -> None:
        self._waiting.discard(name)  # first, as it may grow meanwhile
        if self.workspace.path(name).exists():
            self.workspace.publish(name)

    def _fetch(self, name: str, fetched: threading.Event) -> None:
        try:
            self.workspace.fetch(name, optional=True)
        finally:
            fetched.set()


def mark(attempt: int) -> bytes:
    """How the lines of an attempt begin."""
    return f"--- attempt {attempt}".encode()


def add(path: Path, text: str) -> None:
    """Adds a line, where that is possible."""
    with suppress(OSError), path.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def last_line(path: Path) -> str:
    """The last line, at most 500 characters of it."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()
        if lines:
            return lines[-1][:500]
    return "(nothing)"


def plain(text: str) -> str:
    """Without control characters: PostgreSQL refuses NUL."""
    return "".join(character if character.isprintable() else " " for character in text)
