"""Programs that tests need and that pip cannot bring: installed from Debian's packages, where that is wanted and allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

Found = TypeVar("Found")


def found_or_installed(find: Callable[[], Found | None], package: str) -> Found | None:
    """What `find` finds, after installing the package if need be: as root, with CI or GENAIR_TEST_INSTALL set; else None.

    One process at a time: dpkg refuses a second one.
    """
    programs = find()
    wanted = os.environ.get("CI") or os.environ.get("GENAIR_TEST_INSTALL")
    if programs is not None or not wanted or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return programs
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with FileLock(Path(tempfile.gettempdir()) / "genair-tests-apt.lock"):
        if (programs := find()) is None:
            for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", package]):
                subprocess.run(["apt-get", *arguments], env=environment, capture_output=True)
            programs = find()
    return programs
