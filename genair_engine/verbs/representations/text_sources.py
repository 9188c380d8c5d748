"""The texts that parts of a representation are made of: of their sets, with what is pinned in the place of a set's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from genair_engine.archetypes.parts import Recipe
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError
from genair_engine.store.tables import RepresentationRow, TextSetRow
from genair_engine.store.texts import ARCHETYPE, texts_of_items, texts_of_set
from genair_engine.workspace import Workspace


@dataclass(frozen=True)
class TextSource:
    """The texts of a set, with those that are pinned in their place. pinned: item position → set of its pinned text."""

    text_set: TextSetRow
    pinned: Mapping[int, TextSetRow]
    texts: Mapping[int, str]


def sources_of(
    workspace: Workspace, dataset: Dataset, row: RepresentationRow, parts: Sequence[Recipe]
) -> dict[str, TextSource]:
    """Text set id → the texts that parts of a stored representation were made of, as they were pinned then.

    Raises InputError where a set is no longer there.
    """
    sources = {}
    with workspace.reading() as session:
        for name in dict.fromkeys(part.text_set for part in parts if part.text_set is not None):
            text_set = session.get(TextSetRow, name)
            if text_set is None:
                raise InputError(f"Text set {name}, of which representation {row.id} was made, is no longer there.")
            sources[name] = text_source(session, text_set, _pinned_then(session, dataset, row))
    return sources


def text_source(session: Session, text_set: TextSetRow, pinned: Mapping[int, TextSetRow]) -> TextSource:
    """The texts of a set, or of the sets from which they are pinned. Pins are of archetypes alone."""
    pinned = pinned if text_set.kind == ARCHETYPE else {}
    return TextSource(text_set, pinned, texts_with_pins(session, text_set, pinned))


def texts_made_of(
    session: Session, dataset: Dataset, row: RepresentationRow, positions: Collection[int] | None = None
) -> dict[int, str]:
    """Item position → the archetype that a representation was made of: of its set, or the one that was pinned then.

    positions: only these items. Empty where the representation holds no archetypes.
    """
    text_set = session.get(TextSetRow, row.text_set_id) if row.text_set_id else None
    return texts_with_pins(session, text_set, _pinned_then(session, dataset, row), positions) if text_set else {}


def _pinned_then(session: Session, dataset: Dataset, row: RepresentationRow) -> dict[int, TextSetRow]:
    """Item position → set whose archetype was pinned when the representation was made."""
    pins: dict[str, str] = row.provenance.get("pinned", {})
    sets = {name: session.get(TextSetRow, name) for name in set(pins.values())}
    return {int(dataset.position_of[item]): of for item, name in pins.items() if (of := sets[name]) is not None}


def texts_with_pins(
    session: Session,
    text_set: TextSetRow,
    pinned: Mapping[int, TextSetRow],
    positions: Collection[int] | None = None,
) -> dict[int, str]:
    """Item position → text of the set, or of the set from which it is pinned. positions: only these items."""

    def of_set(name: str, among: Collection[int] | None) -> dict[int, str]:
        return texts_of_set(session, name) if among is None else texts_of_items(session, name, sorted(among))

    written = of_set(text_set.id, positions)
    for name in {pin.id for pin in pinned.values()}:
        places = {place for place, pin in pinned.items() if pin.id == name and (positions is None or place in positions)}
        theirs = of_set(name, None if positions is None else places)
        written |= {place: theirs[place] for place in places}
    return written
