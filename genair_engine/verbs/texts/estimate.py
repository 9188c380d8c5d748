"""The verb `generation_estimate`: how long `generate` will take, from what the same model has taken here before.

Every text keeps its share of the wall time, so that the mean over a set, times what is missing, is the time that is left at
the same pace. Where the model has written too little yet there is no estimate: a first few items, which are kept, give one.
"""

from __future__ import annotations

from pathlib import PurePath

from sqlalchemy.orm import Session

from genair_engine.archetypes.hub import PRESETS
from genair_engine.archetypes.model_folders import SERVER_PREFIX
from genair_engine.archetypes.prompts.registry import find_kind
from genair_engine.store.datasets import find_dataset
from genair_engine.store.tables import TextSetRow
from genair_engine.store.texts import list_sets, pace_of_set, reader_of, written_positions
from genair_engine.verbs.base import Record
from genair_engine.verbs.texts.prompts import prompt_of
from genair_engine.verbs.texts.requests import GenerateRequest
from genair_engine.verbs.texts.writing import duration
from genair_engine.workspace import Workspace

LEAST_MEASURED = 8
"""Texts without which there is no estimate: a single one may be short or long, and is written alone."""


class GenerationEstimate(Record):
    """missing: texts to write; seconds and tokens: of all of them, None where nothing is known. how: where that is from."""

    missing: int
    seconds: float | None
    tokens: float | None
    how: str


def generation_estimate(workspace: Workspace, request: GenerateRequest) -> GenerationEstimate:
    """Estimate from stored texts; no model is loaded. Raises NotFoundError."""
    with workspace.reading() as session:
        owner = find_dataset(session, request.dataset)
        kind = find_kind(request.kind)
        version = prompt_of(session, kind, request.prompt).version
        mine = _names(request.model)
        sets = [(row, texts) for row, texts in list_sets(session, owner.id, kind.name) if row.model in mine]
        same = [row for row, _ in sets if _same(row, request, version)]
        there = written_positions(session, same[-1].id) if same else set()
        measured = _measured(session, same, sets, request)
    count = owner.n_items if kind.unit == "item" else owner.n_users
    wanted = min(request.limit or count, count)
    missing = wanted - sum(position <= wanted for position in there)
    if measured is None:
        how = f"{request.model} has written fewer than {LEAST_MEASURED} texts of this length here: no pace is known yet."
        return GenerationEstimate(missing=missing, seconds=None, tokens=None, how=how)
    texts, seconds, tokens, device = measured
    return GenerationEstimate(
        missing=missing,
        seconds=missing * seconds,
        tokens=missing * tokens,
        how=f"From {texts:,} texts that it has written{f' on {device}' if device else ''}: {seconds:.2g} s and {tokens:,.0f} "
        f"tokens each, so about {duration(missing * seconds)} on the same machine.",
    )


def _names(model: str) -> set[str]:
    """What sets may call the model that a request names: a folder by its own name, a preset by its hub id."""
    if model.startswith(SERVER_PREFIX):
        return {model}
    preset = PRESETS.get(model.lower())
    return {model, PurePath(model).name, *([preset.hub_id] if preset else [])}


def _same(row: TextSetRow, request: GenerateRequest, version: str) -> bool:
    """Whether the request goes on with this set, as far as can be told without the model."""
    drawn = request.sampling.model_dump()
    sampling = {name: row.sampling.get(name) for name in drawn}  # a set keeps more, such as the precision
    of_reader = request.reader is None or reader_of(row) in _names(request.reader)
    return of_reader and (row.prompt_version, row.seed, sampling) == (version, request.seed, drawn)


def _measured(
    session: Session, same: list[TextSetRow], sets: list[tuple[TextSetRow, int]], request: GenerateRequest
) -> tuple[int, float, float, str] | None:
    """Texts, mean seconds and tokens a text and device: of the set itself, or of the fullest with answers of that length."""
    length = request.sampling.max_new_tokens
    fullest_first = sorted(sets, key=lambda pair: -pair[1])
    others = [row for row, _ in fullest_first if row.sampling.get("max_new_tokens") == length]
    for row in (*same, *others):
        pace = pace_of_set(session, row.id)
        if pace[0] >= LEAST_MEASURED:
            return pace
    return None
