"""What a representation is to be made of: the parts that a request of `represent` means for a data set."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from genair_engine.archetypes.model_folders import ModelFolder
from genair_engine.archetypes.parts import Recipe
from genair_engine.archetypes.prompts.registry import find_kind
from genair_engine.archetypes.subjects import item_labels
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError
from genair_engine.store.tables import DatasetRow, TextSetRow
from genair_engine.store.texts import find_set, states_by
from genair_engine.store.votes import list_pins
from genair_engine.verbs.representations.catalogue_states import refuse_other_states
from genair_engine.verbs.representations.requests import RepresentRequest
from genair_engine.verbs.representations.text_sources import TextSource, text_source

PIN_ADVICE = "It is pinned: pin one by the same model, take the pin off (`pin DATASET ITEM --off`), or give --ignore-pins."


@dataclass(frozen=True)
class Plan:
    """What a representation is to be made of. text_set: the set of its items' archetypes, where there is one. sources: by the
    id of their set. pinned: item position → set whose archetype is in the place of that set's own.
    """

    parts: list[Recipe]
    text_set: TextSetRow | None = None
    sources: dict[str, TextSource] = field(default_factory=dict)
    pinned: dict[int, TextSetRow] = field(default_factory=dict)


def plan_own(session: Session, dataset: Dataset, row: DatasetRow, folder: ModelFolder, request: RepresentRequest) -> Plan:
    """A language model's own states."""
    if request.title:
        raise InputError(f"{folder.model_id!r} is a language model and embeds no titles alone: use an encoder such as minilm.")
    text_set = find_set(session, row.id, request.archetypes or folder.model_id)
    more = {name: find_set(session, row.id, of, kind=None) for name, of in request.text.items()}
    for each in (text_set, *more.values()):
        model, revision = states_by(each)
        if (model, revision) != (folder.model_id, folder.revision):
            raise InputError(
                f"{folder.model_id!r} is a language model and is represented by its own states, but set {each.id} was "
                f"{'written' if model == each.model else 'read'} by {model!r}, revision {revision[:12]} (here: "
                f"{folder.revision[:12]}). Generate its texts, or use an encoder such as minilm."
            )
        if each.unit != "item":
            raise InputError(f"Set {each.id} is about {each.unit}s: use an encoder such as minilm for it.")
    pinned = _pinned(session, row, text_set, request)
    for position, of in pinned.items():
        refuse_other_states(of, text_set, item_labels(dataset.items.iloc[[position - 1]])[0], PIN_ADVICE)
    available = [Recipe("prefill", "prompt", "item", text_set.id), Recipe("decoding", "answer", "item", text_set.id)]
    parts = [*_wanted(request, available), *(Recipe(name, "answer", "item", of.id) for name, of in more.items())]
    sets = {each.id: each for each in (text_set, *more.values())}
    return Plan(parts, text_set, {name: text_source(session, each, pinned) for name, each in sets.items()}, pinned)


def plan_encoded(
    session: Session,
    dataset: Dataset,  # noqa: ARG001 - as `plan_own`
    row: DatasetRow,
    folder: ModelFolder,  # noqa: ARG001
    request: RepresentRequest,
) -> Plan:
    """What an encoder makes of metadata, archetypes, titles and other texts."""
    available, sets, pinned, text_set = [Recipe("prefill", "metadata")], {}, {}, None
    if request.archetypes is not None:
        text_set = find_set(session, row.id, request.archetypes)
        pinned = _pinned(session, row, text_set, request)
        sets[text_set.id] = text_set
        available.append(Recipe("decoding", "text", "item", text_set.id))
    parts = [*_wanted(request, available), *([Recipe("title", "title")] if request.title else [])]
    for name, of in request.text.items():
        each = find_set(session, row.id, of, kind=None)
        sets[each.id] = each
        parts.append(Recipe(name, "text", find_kind(each.kind).unit, each.id))
    return Plan(parts, text_set, {name: text_source(session, each, pinned) for name, each in sets.items()}, pinned)


def _pinned(session: Session, dataset: DatasetRow, text_set: TextSetRow, request: RepresentRequest) -> dict[int, TextSetRow]:
    """Item position → set of its pinned archetype, where that is another set than this one."""
    pins = [] if request.ignore_pins else list_pins(session, dataset.id)
    return {pin.position: of for pin, _, of in pins if of.id != text_set.id}


def _wanted(request: RepresentRequest, available: list[Recipe]) -> list[Recipe]:
    by_name = {recipe.name: recipe for recipe in available}
    wanted = list(by_name) if request.parts is None else request.parts
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise InputError(
            f"There is no {missing[0]} part: name whose archetype texts to embed with --archetypes (for example demo-llama)."
        )
    return [by_name[name] for name in wanted]
