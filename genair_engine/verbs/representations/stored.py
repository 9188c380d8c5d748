"""Stored representations, read back: the vectors of the items side by side, with their bases, or one part by its name."""

from __future__ import annotations

from genair_engine.archetypes.parts import OF_TEXTS, Part, parts_of
from genair_engine.archetypes.representation import Representation
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store import artifacts
from genair_engine.store.tables import RepresentationRow
from genair_engine.types import Float32Array
from genair_engine.workspace import Workspace


def load_representation(workspace: Workspace, row: RepresentationRow) -> Representation:
    """The vectors of a representation with the bases that project new items; without bases where it was stored without."""
    arrays = artifacts.load_arrays(workspace.fetch(f"{row.folder}/representation.safetensors"))
    return Representation.from_arrays(arrays, row.dims)


def load_with_bases(workspace: Workspace, row: RepresentationRow) -> Representation:
    """The same, for who projects new states with it. Raises InputError where a part's bases are not there."""
    representation = load_representation(workspace, row)
    if set(representation.bases) != set(row.dims):
        raise InputError(
            f"Representation {row.id} was stored without its PCA bases, so that nothing new can be put into it: make it again "
            f"with `represent` (--model {row.model}), and train on that."
        )
    return representation


def load_part(workspace: Workspace, row: RepresentationRow, name: str) -> Float32Array:
    """[n, columns] the vectors of one part: row k of item (or user, or session) k + 1. Raises NotFoundError."""
    parts = {part.name: part for part in parts_of(row.parts)}
    if name not in parts:
        raise NotFoundError(f"part of representation {row.id}", name, parts)
    if parts[name].unit != "item":
        return artifacts.load_arrays(workspace.fetch(f"{row.folder}/{part_file(name)}"))["vectors"]
    return load_representation(workspace, row).vectors[:, columns_of(row, name)]


def columns_of(row: RepresentationRow, name: str) -> slice:
    """Where a part of the items stands among the columns."""
    start = 0
    for part, columns in row.dims.items():
        if part == name:
            return slice(start, start + columns)
        start += columns
    raise NotFoundError(f"part of the items in representation {row.id}", name, row.dims)


def is_read_by_encoder(row: RepresentationRow) -> bool:
    """Whether an encoder embedded texts, rather than that a language model's own states were taken."""
    return not any(part.reads in ("prompt", "answer") for part in parts_of(row.parts))


def part_of_texts(row: RepresentationRow) -> Part | None:
    """The part of the items that is of the archetypes' texts, the first one; None where there is none."""
    parts = (part for part in parts_of(row.parts) if part.unit == "item" and part.reads in OF_TEXTS)
    return next((part for part in parts if part.text_set == row.text_set_id), None)


def part_file(name: str) -> str:
    """The file of a part of users or sessions, in the representation's folder."""
    return f"part-{name.replace(':', '.')}.safetensors"
