"""A new item, read: its archetypes as each language model writes them, and its states in each representation's space."""

from __future__ import annotations

from dataclasses import dataclass

from genair_engine.archetypes.backends import Completion
from genair_engine.archetypes.segments import split_segments
from genair_engine.errors import GenairError, InputError
from genair_engine.methods.registry import rank_new_items
from genair_engine.store import runs as rows
from genair_engine.store.tables import DatasetRow, RepresentationRow, RunRow, TextSetRow
from genair_engine.types import States
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.datasets.metadata import clean_attributes
from genair_engine.verbs.recommending.new_item_requests import NewArchetype, NewItemRequest, SkippedRun
from genair_engine.verbs.representations.unseen import read_item, write_archetype
from genair_engine.verbs.texts.ready_models import Models
from genair_engine.workspace import Workspace

LONGEST_ARCHETYPE = 20_000
"""Characters of a given one."""


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
    archetypes: TextSetRow | None


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
    for done, target in enumerate(targets):
        name = target.representation.id
        if name in states or name in failed:
            continue
        progress(done, len(targets), f"reading the item as {name}")
        try:
            text: Completion | str = ""  # nothing reads it where there is no archetype set
            if target.archetypes is not None:
                if request.archetype is not None:
                    written[target.archetypes.id] = request.archetype
                elif target.archetypes.id not in written:
                    written[target.archetypes.id] = write_archetype(models, target.archetypes, attributes, request.item)
                    notes += _notes(models, target.archetypes)
                text = written[target.archetypes.id]
            states[name] = read_item(models, target.representation, target.archetypes, attributes, text, request.item)
        except GenairError as error:
            if request.runs:
                raise
            failed[name] = str(error)
    if not states:
        raise InputError(f"The item cannot be put into any run of {request.dataset!r}. {next(iter(failed.values()))}")
    of_set = {target.archetypes.id: target.archetypes for target in targets if target.archetypes}
    return WrittenItem(
        dataset=request.dataset,
        item=request.item,
        attributes=attributes,
        archetypes=[_archetype(of_set[name], text) for name, text in written.items()],
        states=states,
        runs=[target.run.id for target in targets if target.representation.id in states],
        skipped=[
            SkippedRun(run=target.run.id, reason=failed[target.representation.id])
            for target in targets
            if target.representation.id in failed
        ],
        notes=notes,
    )


def _targets(workspace: Workspace, request: NewItemRequest) -> list[_Target]:
    """The named runs, or all finished GenAIR runs of the data set, newest first. Raises NotFoundError, InputError."""
    owner = workspace.dataset_row(request.dataset)
    with workspace.reading() as session:
        if request.runs:
            chosen = [_checked(*rows.find_run(session, name), owner) for name in dict.fromkeys(request.runs)]
        else:
            chosen = [run for run in rows.list_runs(session, owner.id, states=["done"]) if _has_projector(run)]
        targets = []
        for run in chosen:
            representation = session.get(RepresentationRow, run.representation_id)
            assert representation is not None  # methods with a projector name it
            reads_archetypes = representation.text_set_id is not None
            archetypes = session.get(TextSetRow, representation.text_set_id) if reads_archetypes else None
            targets.append(_Target(run, representation, archetypes))
    if not targets:
        raise InputError(
            f"{request.dataset!r} has no finished GenAIR run: train one (method {' or '.join(rank_new_items())}) on a "
            "representation. Runs with free item vectors cannot rank an item that they were not trained on."
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
            f"Choose a run of method {' or '.join(rank_new_items())}."
        )
    return run


def _has_projector(run: RunRow) -> bool:
    return run.method in rank_new_items()


def _notes(models: Models, archetypes: TextSetRow) -> list[str]:
    """Where the archetype is not written quite as those of the set."""
    model = models.writer_of(archetypes)
    notes = []
    if model.revision != archetypes.revision:
        notes.append(
            f"The archetypes of set {archetypes.id} were written by revision {archetypes.revision[:12]} of "
            f"{archetypes.model!r}, this one by revision {model.revision[:12]}."
        )
    if (then := archetypes.sampling.get("precision", model.precision)) != model.precision:
        notes.append(f"The archetypes of set {archetypes.id} were written in {then}, this one in {model.precision}.")
    return notes


def _archetype(archetypes: TextSetRow, archetype: Completion | str) -> NewArchetype:
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
