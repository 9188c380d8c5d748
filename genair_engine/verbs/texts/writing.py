"""The work of `generate` and `embed`: what is missing of a set is written, and saved as it goes.

Every few hundred items, or every few seconds, states become an artifact and then texts become rows, in one transaction a
chunk. So whatever ends the process, an item has text and states, or neither and is written by the next call. An item that
fails is a row of its own with the reason; the others go on, and the next call tries it again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from genair_engine.archetypes.backends import Completion, LanguageModel, Sampling, Written
from genair_engine.archetypes.prompts import PromptTemplate
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import ModelError
from genair_engine.store import artifacts
from genair_engine.store.archetypes import settle_failures
from genair_engine.store.keys import new_id
from genair_engine.store.tables import ArchetypeRow, ArchetypeSetRow
from genair_engine.verbs.base import Progress
from genair_engine.verbs.texts.requests import FailedItem
from genair_engine.workspace import Workspace

SAVE_EVERY = 256
"""Items whose states share an artifact, at most about."""
SAVE_SECONDS = 10.0
"""Finished items wait for so long at most: that much is written again after an interruption, and progress is as fresh."""
NAMED_FAILURES = 5
"""Failed items that a result names."""


@dataclass(frozen=True)
class Task:
    """What a call is to write. positions: of the items, from 1; seed: of the call."""

    positions: list[int]
    prompt: PromptTemplate
    sampling: Sampling
    seed: int
    batch_size: int


@dataclass
class Tally:
    """What has been done so far. failed: item position → reason. seconds: since the model began."""

    written: int = 0
    tokens: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def done(self) -> int:
        return self.written + len(self.failed)

    def pace(self, total: int) -> str:
        """How fast it goes and how long it will take, in words."""
        if not self.done or not self.seconds:
            return ""
        rates = f": {self.done / self.seconds:,.1f} items/s, {self.tokens / self.seconds:,.0f} tokens/s"
        left = self.seconds / self.done * (total - self.done)
        failed = f", {len(self.failed):,} failed" if self.failed else ""
        return rates + (f", about {duration(left)} left" if left else "") + failed


def duration(seconds: float) -> str:
    """Seconds in words, as exact as anybody needs: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60:,} h {minutes % 60} min"


def write(
    workspace: Workspace,
    dataset: Dataset,
    model: LanguageModel,
    archetypes: ArchetypeSetRow,
    task: Task,
    progress: Progress,
    what: str = "",
) -> Tally:
    """Writes the task's items into the set, whose lock the caller has. Raises GenairError where it cannot go on.

    what: says what is done, in progress; by default that the model writes.
    """
    tally, total, what = Tally(), len(task.positions), what or f"{model.model_id} writes archetypes"
    progress(0, total, what)
    started = time.perf_counter()
    with closing(_chunks(model, dataset, task)) as chunks:
        for chunk in chunks:
            written = {position: answer for position, answer in chunk if isinstance(answer, Completion)}
            failed = {position: answer.reason for position, answer in chunk if not isinstance(answer, Completion)}
            save(workspace, archetypes, written, failed, model.device)
            tally.written += len(written)
            tally.tokens += sum(completion.generated_tokens for completion in written.values())
            tally.failed |= failed
            tally.seconds = time.perf_counter() - started
            progress(tally.done, total, what + tally.pace(total))
    return tally


def outcome_of(
    dataset: Dataset, archetypes: ArchetypeSetRow, model: str, tally: Tally, before: int, verb: str
) -> dict[str, Any]:
    """The fields of a `WritingResult`. model: what "wrote" or "read" (verb); before: texts that the set held before.

    Raises ModelError where a set that was empty got none of the texts that were asked for.
    """
    ids = dataset.items["item_id"]
    failures = [FailedItem(item=ids.iloc[place - 1], reason=reason) for place, reason in sorted(tally.failed.items())]
    if failures and not before and not tally.written:
        raise ModelError(f"{model} {verb} none of the {len(failures):,} texts. The first: {failures[0].reason}")
    return {
        "dataset": dataset.name,
        "archetypes": archetypes.id,
        "model": model,
        "prompt_version": archetypes.prompt_version,
        "items": before + tally.written,
        "written": tally.written,
        "failed": len(failures),
        "failures": failures[:NAMED_FAILURES],
        "seconds": tally.seconds,
    }


def item_seed(seed: int, item_id: str) -> int:
    """The seed of one item's text, from the call's seed and the item's source id (31 bits)."""
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{item_id}".encode()).digest()[:4], "big") >> 1


def item_labels(items: pd.DataFrame) -> list[str]:
    """How errors name items: source id and title."""
    pairs = zip(items["item_id"], items["title"], strict=True)
    return [f"item {item_id!r} ({title[:60] or 'no title'})" for item_id, title in pairs]


def _chunks(model: LanguageModel, dataset: Dataset, task: Task) -> Generator[list[tuple[int, Written]]]:
    """(position, completion or failure) pairs, as many at a time as are saved together."""
    items = dataset.items.iloc[[position - 1 for position in task.positions]]
    batches = model.generate_batches(
        [task.prompt.render(attributes) for attributes in items["attributes"]],
        [item_seed(task.seed, item_id) for item_id in items["item_id"]],
        task.sampling,
        task.batch_size,
        names=item_labels(items),
    )
    chunk: list[tuple[int, Written]] = []
    saved = time.monotonic()
    try:
        for batch in batches:
            chunk += [(task.positions[index], written) for index, written in batch]
            if len(chunk) >= SAVE_EVERY or time.monotonic() - saved >= SAVE_SECONDS:
                yield chunk
                chunk, saved = [], time.monotonic()
    except Exception:  # no memory, no cluster any more, or a fault of ours: what was finished before is kept
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def save(
    workspace: Workspace,
    archetypes: ArchetypeSetRow,
    written: dict[int, Completion],
    failed: dict[int, str],
    device: str,
) -> None:
    """Keeps a set's finished items (position → completion, or reason), whose lock the caller has.

    States first, rows second: a text in the database always has its states.
    """
    if written:
        name = f"{archetypes.folder}/states-{next(iter(written)):08d}-{new_id()}.safetensors"
        artifacts.save_arrays(
            workspace.path(name),
            {
                "positions": np.array(list(written), dtype=np.int64),
                "prefill": np.stack([completion.prefill for completion in written.values()]),
                "decoding": np.stack([completion.decoding for completion in written.values()]),
            },
        )
        workspace.publish(name)
    with workspace.session() as session:
        session.merge(archetypes)
        session.flush()
        settle_failures(session, archetypes.id, failed, list(written))
        session.add_all(
            ArchetypeRow(
                set_id=archetypes.id,
                position=position,
                text=completion.text,
                prompt_tokens=completion.prompt_tokens,
                generated_tokens=completion.generated_tokens,
                finish=completion.finish,
                seconds=completion.seconds,
                device=device,
            )
            for position, completion in written.items()
        )
