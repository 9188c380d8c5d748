"""Models of the Hugging Face hub: short names for the usual ones, and downloads of which nothing but data is fetched.

A download is resumed where it was interrupted; what is complete is used as it is, without asking the hub again, so that a
model stays the same until its folder is removed. Some models are gated: their owners want a licence accepted first.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from genair_engine.errors import ModelError

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what)."""


def silent(done: int, total: int, what: str) -> None:
    """Progress for nobody."""


WANTED = ["*.json", "*.jinja", "*.txt", "*.model", "*.safetensors"]
UNWANTED = ["original/*", "consolidated*", "onnx/*", "openvino/*"]  # the same weights in other formats
TELL_SECONDS = 0.5
"""Between two reports of a download's progress."""
MB = 10**6


@dataclass(frozen=True)
class Preset:
    """A model by a short name. parameters: how many numbers its weights are. gated: whether a licence is to be accepted."""

    hub_id: str
    parameters: int
    gated: bool = False

    @property
    def size(self) -> int:
        """Bytes of the weights on the hub, which keeps all presets in two bytes a number."""
        return 2 * self.parameters


PRESETS = {
    "qwen2.5-0.5b-instruct": Preset("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768),
    "qwen2.5-7b-instruct": Preset("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512),
    "llama2-7b-chat": Preset("meta-llama/Llama-2-7b-chat-hf", 6_738_415_616, gated=True),
    "llama3.1-8b-instruct": Preset("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248, gated=True),
}


def downloaded(repository: str, cache: Path) -> Path | None:
    """The folder of a hub model where it is complete in `cache`; nothing is fetched. Raises ModelError for what is no name."""
    from huggingface_hub import snapshot_download

    try:
        there = Path(
            snapshot_download(
                repository, local_files_only=True, allow_patterns=WANTED, ignore_patterns=UNWANTED, cache_dir=cache
            )
        )
    except OSError:
        return None  # not there, or not complete
    except ValueError as error:
        raise ModelError(f"{repository!r} is no name of a hub model (owner/name): {_first_line(error)}") from None
    return there if (there / "config.json").is_file() else None


def download(repository: str, cache: Path, progress: Progress) -> Path:
    """The folder of a hub model in `cache`, fetched where it is not complete there. progress counts megabytes (10^6 bytes).

    The token in HF_TOKEN is used where there is one; HF_HUB_OFFLINE=1 keeps it from asking the hub. Raises ModelError.
    """
    from huggingface_hub import snapshot_download

    if there := downloaded(repository, cache):
        return there
    wanted: dict[str, Any] = {"allow_patterns": WANTED, "ignore_patterns": UNWANTED, "cache_dir": cache}
    total = _size(repository, cache)
    received = _Received()
    folders: list[str] = []
    failed: list[Exception] = []

    def fetch() -> None:
        try:
            folders.append(snapshot_download(repository, tqdm_class=received.bar(), **wanted))
        except Exception as error:  # handed to the thread that waits
            failed.append(error)

    # The hub's client works on threads of its own. Progress is told from this one: it is where a cancelled job stops.
    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(TELL_SECONDS)
            megabytes = max(1, total // MB)
            progress(min(received.bytes // MB, megabytes), megabytes, f"MB of {repository} downloaded")
    except BaseException:
        received.unwanted = True
        thread.join(TELL_SECONDS)
        raise
    if failed:
        raise ModelError(_reason(failed[0], repository)) from failed[0]
    return Path(folders[0])


class _Received:
    """Counts what a download has received. unwanted: end it at the next piece."""

    def __init__(self) -> None:
        self.bytes, self.unwanted = 0, False
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        if self.unwanted:
            raise InterruptedError("the download was cancelled")
        with self._lock:
            self.bytes += count

    def bar(self) -> type[Any]:
        """A progress bar that shows nothing and counts the bytes of files here (others count files, or bytes twice)."""
        from tqdm import tqdm  # type: ignore[import-untyped]

        received = self

        class Bar(tqdm):  # type: ignore[misc]
            def __init__(self, *arguments: Any, **options: Any) -> None:
                self._counts = str(options.get("desc", "")).startswith("Reconstructing")
                super().__init__(*arguments, **(options | {"disable": True}))

            def update(self, n: float | None = 1) -> bool | None:
                if self._counts:
                    received.add(int(n or 0))
                return None

        return Bar


def _size(repository: str, cache: Path) -> int:
    """Bytes of the files that are wanted, 0 where the hub does not say. Raises ModelError where the disk cannot hold them."""
    from huggingface_hub import HfApi

    try:
        files = HfApi().model_info(repository, files_metadata=True).siblings or []
    except Exception:  # the download will fail in the same way, and say why
        return 0
    total = sum(
        file.size or 0 for file in files if _matches(file.rfilename, WANTED) and not _matches(file.rfilename, UNWANTED)
    )
    cache.mkdir(parents=True, exist_ok=True)
    here = cache / f"models--{repository.replace('/', '--')}" / "blobs"
    left = total - sum(path.stat().st_size for path in here.glob("*"))
    free = shutil.disk_usage(cache).free
    if left > free:
        raise ModelError(
            f"{repository} needs {left / 1e9:,.1f} GB more on the disk of {cache}, which has {free / 1e9:,.1f} GB free: make "
            "room, or let GENAIR_MODELS_DIR name a folder on another disk."
        )
    return total


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _reason(error: Exception, repository: str) -> str:
    """Why a download failed and what to do, for a person."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    page = f"{constants.ENDPOINT}/{repository}"
    if isinstance(error, GatedRepoError):
        token = (
            "The token in HF_TOKEN was not let in: it must be of an account that was granted access, with the right to read."
            if os.environ.get("HF_TOKEN")
            else f"Then make a token that may read at {constants.ENDPOINT}/settings/tokens and set it as HF_TOKEN."
        )
        return (
            f"{repository} is gated: its owner wants a licence accepted. Do that at {page} with an account (access may take a "
            f"while to be granted). {token}"
        )
    if isinstance(error, RepositoryNotFoundError):
        return f"The hub has no model {repository!r}, or a private one for which HF_TOKEN must hold a token: see {page}."
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        return f"{repository} could not be written to the disk: {error.strerror}."
    return f"{repository!r} was not got from the Hugging Face hub: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
