"""An exported run: a folder that recommends without the database, the representation, or the rest of this repository.

The projector's work is done: what is exported is the item matrix that it made, so that a bundle is a model with free item
vectors (method `id`) whatever the run's method was. The folder holds

    config.json          what it is: model, run, data set, how it was measured
    model.safetensors    weights of the backbone (and of the shortcut, if there is one)
    items.safetensors    `vectors` [n_items, d] float32; row k is item index k + 1
    items.jsonl          a line an item, in the same order: its id and title
    genair_engine/       the modules of this engine that rank, verbatim
    recommend.py         the loader: `python recommend.py --items id1,id2`
    requirements.txt, README.md

Written and read with numpy, safetensors and plain JSON: nothing in it can run code but the Python files that one can read.
"""

from __future__ import annotations

import ast
import importlib.metadata
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from genair_engine import __version__
from genair_engine.errors import InputError
from genair_engine.methods.backbones import BACKBONES, BackboneOptions, NextItemOptions
from genair_engine.methods.recommender import SequenceRecommender, TableRecommender
from genair_engine.models.items import IdItems
from genair_engine.serving.ranker import Ranker

FORMAT = 2
ENGINE = Path(__file__).resolve().parents[1]
LOADER = "serving/standalone.py"
"""What becomes `recommend.py`; the engine's modules that it imports go with it."""
PACKAGES = ("torch", "numpy", "pandas", "pydantic", "safetensors")


def write_bundle(folder: Path, ranker: Ranker, backbone: str, options: BackboneOptions, facts: dict[str, Any]) -> None:
    """Fills an existing, empty folder. facts: JSON about run and data set, kept as it is.

    Raises InputError where the ranker's recommender is not a sequence model with item vectors.
    """
    recommender = ranker.require_dot_product()
    if not isinstance(recommender, TableRecommender):
        raise InputError("Only a trained sequence model can be exported, and this recommender is none.")
    state = {key: value for key, value in recommender.model.state_dict().items() if not key.startswith("items.")}
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "model.safetensors")
    save_file({"vectors": recommender.table()[1:].float().contiguous()}, folder / "items.safetensors")
    with (folder / "items.jsonl").open("w", encoding="utf-8") as file:
        for item, title in zip(ranker.item_ids, ranker.titles, strict=True):
            file.write(json.dumps({"item": item, "title": title}) + "\n")
    model = {"backbone": backbone, **options.model_dump()}
    about = {"format": FORMAT, "version": __version__, "n_items": ranker.n_items, "model": model, **facts}
    (folder / "config.json").write_text(json.dumps(about, indent=2, ensure_ascii=False), encoding="utf-8")
    for name in imported_modules(LOADER):
        target = folder / "genair_engine" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ENGINE / name, target)
    shutil.copyfile(ENGINE / LOADER, folder / "recommend.py")
    lines = [f"{name}=={importlib.metadata.version(name).split('+')[0]}" for name in PACKAGES]  # '+cpu' names a build
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(about), encoding="utf-8")


def imported_modules(module: str) -> list[str]:
    """The engine's files that a file of it imports, directly or not, imports inside functions included; without itself.

    Paths are relative to the engine. What is imported for type checking alone is left out.
    `tests/verbs/test_verbs_serving.py` runs a bundle without the repository.
    """
    waiting, imported = [module], set[str]()
    while waiting:
        tree = ast.parse((ENGINE / waiting.pop()).read_text(encoding="utf-8"))
        names = {"genair_engine"}
        for node in _without_type_checking(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
            elif isinstance(node, ast.Import):
                names |= {name.name for name in node.names}
        for name in names:
            folder, *inside = name.split(".")
            for depth in range(len(inside) + 1) if folder == ENGINE.name else ():
                path = "/".join(inside[:depth])
                files = {f"{path}.py", f"{path}/__init__.py".lstrip("/")} - imported - {module}
                waiting += (new := [file for file in files if (ENGINE / file).is_file()])
                imported.update(new)
    return sorted(imported)


def _without_type_checking(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield node
            yield from _without_type_checking(node)


def load_bundle(folder: Path | str) -> Ranker:
    """The exported run as it ranked when it was exported. Raises InputError that names the file that is wrong."""
    folder = Path(folder)
    try:
        about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise InputError(f"{folder} has format {about['format']}, this code reads {FORMAT}: use the code in the folder.")
        lines = (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()
        items = [json.loads(line) for line in lines]
        state = load_file(folder / "model.safetensors")
        vectors = load_file(folder / "items.safetensors")["vectors"]
        if not len(items) == len(vectors) == about["n_items"]:
            raise InputError(
                f"{folder} is not whole: {len(items)} items, {len(vectors)} vectors, {about['n_items']} expected."
            )
        with torch.device("meta"):  # every weight comes from the files
            model = _model(about["model"], about["n_items"])
        state["items.embedding.weight"] = torch.cat([vectors.new_zeros(1, vectors.shape[1]), vectors])
        model.load_state_dict(state, assign=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, ValidationError) as error:
        raise InputError(f"{folder} is not a whole export of a run ({error}). Export it again.") from error
    recommender = TableRecommender(model)
    return Ranker(recommender, [item["item"] for item in items], [item["title"] for item in items], name=str(folder))


def _model(values: dict[str, Any], n_items: int) -> SequenceRecommender:
    """The exported backbone over free item vectors. Raises as pydantic and KeyError do for values that are wrong."""
    backbone = BACKBONES[values["backbone"]]
    options = backbone.options(**{name: value for name, value in values.items() if name != "backbone"})
    shortcut = options.dropout if isinstance(options, NextItemOptions) and options.shortcut else None
    return SequenceRecommender(IdItems(n_items, options.dim), backbone.build(options), shortcut)


def _readme(about: dict[str, Any]) -> str:
    measured = about.get("metrics", {}).get("full", {})
    figures = ", ".join(f"{name} {value:.4f}" for name, value in measured.items() if name.endswith("@10"))
    return f"""# Recommender {about.get("run", "")}

{about["model"]["backbone"]} on the data set {about.get("dataset", "")}: {about["n_items"]:,} items, vectors of width
{about["model"]["dim"]}, exported by GenAIR Studio {about["version"]}. It ranks the catalogue after any session of item ids,
oldest first, and knows no users. `config.json` says how it was trained and measured
{f"(test items, full ranking: {figures})" if figures else ""}.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python recommend.py --items id1,id2 -k 10

In a program, with this folder on `sys.path`:

    from recommend import load

    recommender = load()
    for item in recommender.recommend(["id1", "id2"], k=10):
        print(item.item, item.score, item.title)

`recommend_many` takes many sessions at once. `items.safetensors` holds the item vectors (`vectors`, row k is line k of
`items.jsonl`), `model.safetensors` the sequence model that turns a session into a vector; a score is their dot product.
"""
