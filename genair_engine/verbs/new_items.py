"""The verb `newitem`: where an item that nobody has bought lands, without training anything again.

Its metadata becomes a prompt, the prompt an archetype by the language model of each representation, the archetype states, the
states a row in the stored PCA bases, the row an item vector of every GenAIR run: then it has a score and a rank after any
session. A page does it in two steps: `write_item` once (seconds), then `place_item` for a run and a session, at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from genair_engine.archetypes.backends import Completion
from genair_engine.archetypes.prompts import PAPER, attribute_sentences
from genair_engine.archetypes.segments import split_segments
from genair_engine.catalog.readers.assemble import metadata_text
from genair_engine.errors import GenairError, InputError
from genair_engine.methods.config import METHOD_FACTS
from genair_engine.store import runs as rows
from genair_engine.store.tables import ArchetypeSetRow, DatasetRow, RepresentationRow, RunRow
from genair_engine.verbs.base import Progress, Record, Request, Result, positional, silent
from genair_engine.verbs.reading import Models, States, read_item, write_archetype
from genair_engine.verbs.recommendation import positions_of
from genair_engine.workspace import Workspace

if TYPE_CHECKING:
    from genair_engine.verbs.item_space import ItemSpace

MOST_CHARACTERS = 20_000
MOST_FIELDS = 200
LONGEST_NAME = 100
LONGEST_ARCHETYPE = 20_000
"""Characters of an item's metadata in all, its fields, characters of a field's name, characters of a given archetype."""
NEAREST = 5
SHOWN = 10
"""Items of a real session that a result holds: its last ones."""
_FIELD = re.compile(r"[^\W\d_][\w /-]{0,39}")


class NewItemRequest(Request):
    """See where an item that is not in the catalogue would land."""

    dataset: str = positional("data set")
    attributes: dict[str, str] = Field(description="its metadata: FIELD=VALUE, once for each field")
    item: str = Field("new item", min_length=1, max_length=500, description="its id, which decides its archetype's seed")
    archetype: str | None = Field(None, description="its archetype, instead of letting the language models write one")
    runs: list[str] = Field([], description="GenAIR runs to put it into; by default all finished ones of the data set")
    items: list[str] = Field([], description="a session to rank it in: item ids, oldest first, separated by commas")
    sessions: int = Field(5, ge=0, le=100, description="how many real sessions to show, in which it ranks highest")
    users: int = Field(1000, ge=1, description="test users whose sessions are looked at, drawn at random where there are more")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, …")


class NewArchetype(Record):
    """An archetype of the new item. archetypes: the set in whose way it was written. model: None where it was given."""

    archetypes: str
    model: str | None
    text: str
    opening: str
    audiences: list[str]
    closing: str
    generated_tokens: int
    finish: str
    seconds: float


class Neighbour(Record):
    """An item of the catalogue whose vector is near; cosine of the two."""

    item: str
    title: str
    cosine: float


class RealSession(Record):
    """A test user's session: its last items, oldest first, of `length`; what the user took next; the new item's rank."""

    user: str
    rank: int
    length: int
    items: list[str]
    next: str


class Placement(Record):
    """Where the item lands in a run. archetypes: the set in whose way its archetype was written, None where none is read.

    score, rank: after the session, 1 is the best, of `of` items that compete (those of the session do not); None without a
    session. looked_at: test users' sessions; median_rank and top_10, the share of them in which it is among the first ten,
    are over these (None where no session was looked at). sessions: those in which it ranks highest.
    """

    run: str
    method: str
    representation: str
    archetypes: str | None
    score: float | None
    rank: int | None
    of: int
    nearest: list[Neighbour]
    looked_at: int
    median_rank: float | None
    top_10: float | None
    sessions: list[RealSession]


class SkippedRun(Record):
    """A GenAIR run that the item cannot be put into, and why."""

    run: str
    reason: str


class NewItemResult(Result):
    """archetypes: one for each archetype set behind the runs. notes: what to know about how they were made."""

    dataset: str
    item: str
    attributes: dict[str, str]
    session: list[str]
    archetypes: list[NewArchetype]
    placements: list[Placement]
    skipped: list[SkippedRun]
    notes: list[str]

    def lines(self) -> list[str]:
        shown = [f"{self.item}: {'; '.join(f'{key} {value}'[:80] for key, value in self.attributes.items())[:200]}"]
        for text in self.archetypes:
            shown.append(f"  Archetype ({text.model or 'given'}): {' '.join(text.text.split())[:400]}")
        for one in self.placements:
            ranked = f"rank {one.rank:,} of {one.of:,} (score {one.score:.3f}), " if one.rank is not None else ""
            near = ", ".join(f"{near.item} ({near.cosine:.2f})" for near in one.nearest[:3])
            shown.append(f"  {one.run}: {ranked}near {near}")
            if one.median_rank is not None and one.top_10 is not None:
                shown.append(
                    f"    In {one.looked_at:,} test users' sessions: median rank {one.median_rank:,.0f}, among the first ten "
                    f"in {one.top_10:.1%}."
                )
            shown += [
                f"    rank {real.rank:,} for user {real.user}, after {', '.join(real.items[-3:])}" for real in one.sessions
            ]
        shown += [f"  Left out: {one.run}: {one.reason}" for one in self.skipped]
        return [*shown, *(f"  {note}" for note in self.notes)]


@dataclass(frozen=True, eq=False)
class WrittenItem:
    """A new item, read: its archetypes, and its states in each representation's space (representation id -> part -> [1,
    d]).
    """

    dataset: str
    item: str
    attributes: dict[str, str]
    archetypes: list[NewArchetype]
    states: dict[str, States]
    runs: list[str]
    skipped: list[SkippedRun]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class _Target:
    """A run with what its item vectors were made of. archetypes: None where only metadata and titles were embedded."""

    run: RunRow
    representation: RepresentationRow
    archetypes: ArchetypeSetRow | None


def new_item(
    workspace: Workspace, request: NewItemRequest, progress: Progress = silent, models: Models | None = None
) -> NewItemResult:
    """Write the item's archetypes and put it into every run. Raises as `write_item` and `place_item`."""
    if request.items:
        positions_of(workspace.load_dataset(request.dataset), request.items)
    written = write_item(workspace, request, progress, models)
    placements, skipped = [], list(written.skipped)
    for done, run in enumerate(written.runs):
        progress(done, len(written.runs), f"ranking in {run}")
        try:
            space = load_item_space(workspace, run)
        except InputError as error:
            if request.runs:
                raise
            skipped.append(SkippedRun(run=run, reason=str(error)))
            continue
        placements.append(place_item(space, written, request.items, request.sessions, request.users))
    if not placements:
        raise InputError(f"The item cannot be put into any run of {request.dataset!r}. {skipped[0].reason}")
    progress(len(written.runs), len(written.runs), "ranked")
    return NewItemResult(
        dataset=request.dataset,
        item=request.item,
        attributes=written.attributes,
        session=request.items,
        archetypes=written.archetypes,
        placements=placements,
        skipped=skipped,
        notes=written.notes,
    )


def read_metadata(text: str) -> dict[str, str]:
    """The fields of pasted metadata: a JSON object, or lines "field: value" (a line without a field goes on with the last
    one).

    A first line without a field is the title. Raises InputError where it is empty, too long, or no item.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"This is {len(text):,} characters: an item's metadata has at most {MOST_CHARACTERS:,}. Paste one item."
        )
    text = text.strip()
    if not text.startswith(("{", "[")):
        return clean_attributes(_from_lines(text))
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else error
        raise InputError(f"This is not valid JSON ({where}). Correct it, or give lines of the form field: value.") from None
    if not isinstance(data, dict):
        raise InputError('One item is wanted, as a JSON object such as {"title": "…", "brand": "…"}.')
    return clean_attributes({metadata_text(key): metadata_text(value) for key, value in data.items()})


def clean_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """The fields that have a value, trimmed. Raises InputError where they are too many, too long, or say nothing."""
    characters = sum(len(key) + len(value) for key, value in attributes.items())
    if characters > MOST_CHARACTERS or len(attributes) > MOST_FIELDS:
        raise InputError(
            f"The metadata has {len(attributes):,} fields and {characters:,} characters: at most {MOST_FIELDS} fields and "
            f"{MOST_CHARACTERS:,} characters make one item."
        )
    cleaned = {metadata_text(key).strip(): metadata_text(value).strip() for key, value in attributes.items()}
    cleaned = {key: value for key, value in cleaned.items() if key and value}
    if long := next((key for key in cleaned if len(key) > LONGEST_NAME), None):
        raise InputError(f"A field's name has at most {LONGEST_NAME} characters, not {len(long):,} ({long[:40]}…).")
    if not attribute_sentences(cleaned, PAPER.attribute, PAPER.noun):
        raise InputError(
            "The metadata is empty: give at least one field that says what the item is, such as title: Digital multimeter "
            "(ids and images say nothing)."
        )
    return cleaned


def write_item(
    workspace: Workspace, request: NewItemRequest, progress: Progress = silent, models: Models | None = None
) -> WrittenItem:
    """The archetypes of a new item and its states in every representation that the wanted runs were trained on.

    models: loaded ones to use. A run that was not named and cannot take the item (its model is missing, say) is left out with
    the reason. Raises NotFoundError, ModelError, NonFiniteError, and InputError for metadata that says nothing, a run with
    free item vectors, or a data set without a GenAIR run.
    """
    attributes = clean_attributes(request.attributes)
    if request.archetype is not None and not 0 < len(request.archetype.strip()) <= LONGEST_ARCHETYPE:
        raise InputError(f"The archetype must have 1 to {LONGEST_ARCHETYPE:,} characters, not {len(request.archetype):,}.")
    targets = _targets(workspace, request)
    models = models or Models(workspace.settings, request.device)
    written: dict[str, Completion | str] = {}
    states: dict[str, States] = {}
    failed: dict[str, str] = {}
    notes: list[str] = []
    for done, one in enumerate(targets):
        made = one.representation.id
        if made in states or made in failed:
            continue
        progress(done, len(targets), f"reading the item as {made}")
        try:
            text: Completion | str = ""  # nothing reads it where there is no archetype set
            if one.archetypes is not None:
                if request.archetype is not None:
                    written[one.archetypes.id] = request.archetype
                elif one.archetypes.id not in written:
                    written[one.archetypes.id] = write_archetype(models, one.archetypes, attributes, request.item)
                    notes += _notes(models, one.archetypes)
                text = written[one.archetypes.id]
            states[made] = read_item(models, one.representation, one.archetypes, attributes, text, request.item)
        except GenairError as error:
            if request.runs:
                raise
            failed[made] = str(error)
    if not states:
        raise InputError(f"The item cannot be put into any run of {request.dataset!r}. {next(iter(failed.values()))}")
    of_set = {one.archetypes.id: one.archetypes for one in targets if one.archetypes}
    return WrittenItem(
        dataset=request.dataset,
        item=request.item,
        attributes=attributes,
        archetypes=[_archetype(of_set[name], text) for name, text in written.items()],
        states=states,
        runs=[one.run.id for one in targets if one.representation.id in states],
        skipped=[
            SkippedRun(run=one.run.id, reason=failed[one.representation.id])
            for one in targets
            if one.representation.id in failed
        ],
        notes=notes,
    )


def load_item_space(workspace: Workspace, run: str) -> ItemSpace:
    """A finished GenAIR run made ready for new items: what a page keeps between clicks.

    Raises NotFoundError, and InputError for a run that has not finished, has free item vectors, or whose representation was
    stored without its bases.
    """
    from genair_engine.verbs import item_space

    return item_space.load(workspace, run)


def place_item(
    space: ItemSpace, written: WrittenItem, session: Sequence[str] = (), sessions: int = 0, users: int = 1000
) -> Placement:
    """Where a written item lands in a run (`load_item_space`): rank after a session, neighbours, and real sessions.

    sessions: how many real ones to show; 0 looks at none. users: at most so many test users are looked at. Raises
    NotFoundError for an unknown item of the session, InputError where the item was not read for the run's representation.
    """
    dataset, row = space.dataset, space.row
    if row.id not in written.states:
        raise InputError(f"The item was not read for representation {row.id} of run {space.run!r}: write it for this run.")
    taken = positions_of(dataset, list(session)) if session else []
    vector = space.vectors(written.states[row.id])[0]
    score, rank = space.place(vector, taken) if taken else (None, None)
    looked_at, median, top_10, shown = 0, None, None, []
    if sessions > 0:
        sample = space.some_users(users)
        ranks = np.floor(space.ranks(vector, sample)).astype(np.int64) + 1
        looked_at, median, top_10 = len(sample), float(np.median(ranks)), float((ranks <= 10).mean())
        shown = [_real(space, int(sample[one]), int(ranks[one])) for one in np.argsort(ranks, kind="stable")[:sessions]]
    ids, titles = dataset.items["item_id"], dataset.items["title"]
    return Placement(
        run=space.run,
        method=space.config.method,
        representation=row.id,
        archetypes=row.archetype_set_id,
        score=score,
        rank=rank,
        of=dataset.n_items - len(set(taken)) + 1,
        nearest=[
            Neighbour(item=ids.iloc[position - 1], title=titles.iloc[position - 1], cosine=cosine)
            for position, cosine in space.nearest(vector, NEAREST)
        ],
        looked_at=looked_at,
        median_rank=median,
        top_10=top_10,
        sessions=shown,
    )


def _targets(workspace: Workspace, request: NewItemRequest) -> list[_Target]:
    """The named runs, or all finished GenAIR runs of the data set, newest first. Raises NotFoundError, InputError."""
    owner = workspace.dataset_row(request.dataset)
    with workspace.reading() as session:
        if request.runs:
            found = [_checked(*rows.find_run(session, name), owner) for name in dict.fromkeys(request.runs)]
        else:
            found = [run for run in rows.list_runs(session, owner.id) if run.state == "done" and _has_projector(run)]
        targets = []
        for run in found:
            made = session.get(RepresentationRow, run.representation_id)
            assert made is not None  # methods with a projector name it
            reads_archetypes = made.archetype_set_id is not None
            archetypes = session.get(ArchetypeSetRow, made.archetype_set_id) if reads_archetypes else None
            targets.append(_Target(run, made, archetypes))
    if not targets:
        raise InputError(
            f"{request.dataset!r} has no finished GenAIR run: train one (method genair) on a representation. Runs with free "
            "item vectors (id, llminit) cannot rank an item that they were not trained on."
        )
    return targets


def _checked(run: RunRow, owner: DatasetRow, wanted: DatasetRow) -> RunRow:
    if owner.id != wanted.id:
        raise InputError(f"Run {run.id!r} belongs to data set {owner.name!r}, not to {wanted.name!r}.")
    if run.state != "done":
        raise InputError(f"Run {run.id!r} is {run.state}: only a finished run can rank a new item.")
    if not _has_projector(run):
        raise InputError(
            f"Run {run.id!r} has free item vectors (method {run.method}): it cannot rank an item that it was not trained on. "
            "Choose a run of method genair or genair-id."
        )
    return run


def _has_projector(run: RunRow) -> bool:
    facts = METHOD_FACTS.get(run.method)
    return facts is not None and facts.projected


def _notes(models: Models, archetypes: ArchetypeSetRow) -> list[str]:
    """Where the archetype is not written quite as those of the set."""
    model = models.language_model(archetypes.model)
    found = []
    if model.revision != archetypes.revision:
        found.append(
            f"The archetypes of set {archetypes.id} were written by revision {archetypes.revision[:12]} of "
            f"{archetypes.model!r}, this one by revision {model.revision[:12]}."
        )
    if (then := archetypes.sampling.get("precision", model.precision)) != model.precision:
        found.append(f"The archetypes of set {archetypes.id} were written in {then}, this one in {model.precision}.")
    return found


def _archetype(archetypes: ArchetypeSetRow, archetype: Completion | str) -> NewArchetype:
    given = isinstance(archetype, str)
    text = archetype if isinstance(archetype, str) else archetype.text
    parts = split_segments(text)
    return NewArchetype(
        archetypes=archetypes.id,
        model=None if given else archetypes.model,
        text=text,
        opening=parts.opening,
        audiences=list(parts.audiences),
        closing=parts.closing,
        generated_tokens=0 if isinstance(archetype, str) else archetype.generated_tokens,
        finish="given" if isinstance(archetype, str) else archetype.finish,
        seconds=0.0 if isinstance(archetype, str) else archetype.seconds,
    )


def _real(space: ItemSpace, user: int, rank: int) -> RealSession:
    taken = space.dataset.sequences[user]
    ids = space.dataset.items["item_id"].iloc[taken[-SHOWN - 1 :] - 1].tolist()
    name = space.dataset.user_ids[user]
    return RealSession(user=name, rank=rank, length=len(taken) - 1, items=ids[:-1], next=ids[-1])


def _from_lines(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    last = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        field, separator, value = line.partition(":")
        if separator and _FIELD.fullmatch(field.strip()) and len(field.split()) <= 3 and not value.startswith("//"):
            last = field.strip()
            fields[last] = value.strip()
        elif last:
            fields[last] = f"{fields[last]} {line}".strip()
        else:
            last = "title"
            fields[last] = line
    return fields
