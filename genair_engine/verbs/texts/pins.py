"""The verb `pin`: which archetype of an item is used for training, whatever set a representation is made from.

`represent` puts the pinned archetype's states (for an encoder: its text) in the place of the set's own, and says so in the
representation's provenance. States of another model, revision or precision cannot stand beside the set's: `represent`
refuses them, and names the pin.
"""

from __future__ import annotations

from genair_engine.errors import InputError
from genair_engine.store.datasets import find_dataset, find_item
from genair_engine.store.tables import PinRow, utc_now
from genair_engine.store.texts import find_set, texts_of_items
from genair_engine.store.votes import list_pins, pin_item, unpin_item
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.texts.rating_requests import Pin, PinRequest, PinResult
from genair_engine.workspace import Workspace


def pin(
    workspace: Workspace,
    request: PinRequest,
    progress: Progress = silent,  # noqa: ARG001 - done in a moment
) -> PinResult:
    """Pin, unpin or list. Raises NotFoundError, and InputError where the set has no text of the item."""
    if request.item is None and (request.archetypes or request.off):
        raise InputError("Name the item whose archetype to pin, or to take the pin off.")
    if request.item is not None and (request.archetypes is None) != request.off:
        raise InputError("Say either which --archetypes to pin for the item, or --off.")
    if request.item is not None:
        with workspace.session() as session:
            owner = find_dataset(session, request.dataset)
            item = find_item(session, owner, request.item)
            if request.archetypes is None:
                unpin_item(session, owner.id, item.position)
            else:
                chosen = find_set(session, owner.id, request.archetypes)
                if not texts_of_items(session, chosen.id, [item.position]):
                    raise InputError(f"Archetype set {chosen.id!r} of {chosen.model} has no text of item {request.item!r}.")
                pin_item(
                    session,
                    PinRow(
                        dataset_id=owner.id,
                        position=item.position,
                        set_id=chosen.id,
                        who=request.who or workspace.actor,
                        created_at=utc_now(),
                    ),
                )
    with workspace.reading() as session:
        owner = find_dataset(session, request.dataset)
        rows = list_pins(session, owner.id)
    return PinResult(
        dataset=owner.name,
        pins=[
            Pin(
                item=item.item_id,
                archetypes=of.id,
                model=of.model,
                prompt_version=of.prompt_version,
                who=row.who,
                created_at=row.created_at,
            )
            for row, item, of in rows
        ],
    )
