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

from genair_engine.archetypes.backends import Completion, Failure, LanguageModel, Sampling, Written
from genair_engine.archetypes.prompts.kind import TextKind
from genair_engine.archetypes.prompts.template import PromptTemplate
from genair_engine.archetypes.subjects import Subjects
from genair_engine.errors import ModelError
from genair_engine.store import artifacts
from genair_engine.store.keys import new_id
from genair_engine.store.tables import TextRow, TextSetRow
from genair_engine.store.texts import settle_failures
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
    """What a call is to write. positions: of items, users or sessions among the subjects, from 1; seed: of the call."""

    kind: TextKind
    subjects: Subjects
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
    workspace: Workspace, model: LanguageModel, text_set: TextSetRow, task: Task, progress: Progress, what: str = ""
) -> Tally:
    """Writes the task's texts into the set, whose lock the caller has. Raises GenairError where it cannot go on.

    what: says what is done, in progress; by default that the model writes.
    """
    tally, total, what = Tally(), len(task.positions), what or f"{model.model_id} writes {task.kind.name}s"
    progress(0, total, what)
    started = time.perf_counter()
    with closing(_chunks(model, task)) as chunks:
        for chunk in chunks:
            written = {position: answer for position, answer in chunk if isinstance(answer, Completion)}
            failed = {position: answer.reason for position, answer in chunk if not isinstance(answer, Completion)}
            save(workspace, text_set, written, failed, model.device)
            tally.written += len(written)
            tally.tokens += sum(completion.generated_tokens for completion in written.values())
            tally.failed |= failed
            tally.seconds = time.perf_counter() - started
            progress(tally.done, total, what + tally.pace(total))
    return tally


def outcome_of(
    dataset: str, text_set: TextSetRow, subjects: Subjects, model: str, tally: Tally, before: int, verb: str
) -> dict[str, Any]:
    """The fields of a `WritingResult`. model: what "wrote" or "read" (verb); before: texts that the set held before.

    Raises ModelError where a set that was empty got none of the texts that were asked for.
    """
    failures = [FailedItem(item=subjects.ids[place - 1], reason=reason) for place, reason in sorted(tally.failed.items())]
    if failures and not before and not tally.written:
        raise ModelError(f"{model} {verb} none of the {len(failures):,} texts. The first: {failures[0].reason}")
    return {
        "dataset": dataset,
        "archetypes": text_set.id,
        "kind": text_set.kind,
        "model": model,
        "prompt_version": text_set.prompt_version,
        "items": before + tally.written,
        "written": tally.written,
        "failed": len(failures),
        "failures": failures[:NAMED_FAILURES],
        "seconds": tally.seconds,
    }


def seed_of(seed: int, source_id: str) -> int:
    """The seed of one text, from the call's seed and the source id of what it is about (31 bits)."""
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{source_id}".encode()).digest()[:4], "big") >> 1


def checked(written: Written, kind: TextKind, label: str) -> Written:
    """The same, but a failure where the answer is no text of that kind. label: what errors call what it is about."""
    wrong = kind.check(written.text) if isinstance(written, Completion) else None
    return written if wrong is None else Failure(f"The {kind.name} of {label} {wrong}.")


def _chunks(model: LanguageModel, task: Task) -> Generator[list[tuple[int, Written]]]:
    """(position, completion or failure) pairs, as many at a time as are saved together."""
    rows = [position - 1 for position in task.positions]
    labels = [task.subjects.labels[row] for row in rows]
    batches = model.generate_batches(
        [task.prompt.render(task.subjects.attributes[row]) for row in rows],
        [seed_of(task.seed, task.subjects.ids[row]) for row in rows],
        task.sampling,
        task.batch_size,
        names=labels,
    )
    chunk: list[tuple[int, Written]] = []
    saved = time.monotonic()
    try:
        for batch in batches:
            chunk += [(task.positions[i], checked(written, task.kind, labels[i])) for i, written in batch]
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
    text_set: TextSetRow,
    written: dict[int, Completion],
    failed: dict[int, str],
    device: str,
) -> None:
    """Keeps a set's finished items (position → completion, or reason), whose lock the caller has.

    States first, rows second: a text in the database always has its states.
    """
    if written:
        name = f"{text_set.folder}/states-{next(iter(written)):08d}-{new_id()}.safetensors"
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
        session.merge(text_set)
        session.flush()
        settle_failures(session, text_set.id, failed, list(written))
        session.add_all(
            TextRow(
                set_id=text_set.id,
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
