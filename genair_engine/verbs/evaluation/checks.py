"""Whether what is asked can be measured, told before anything is trained, and without torch."""

from __future__ import annotations

from genair_engine.errors import InputError
from genair_engine.methods.config import METHOD_FACTS
from genair_engine.store.tables import DatasetRow, RepresentationRow
from genair_engine.training.config import TrainingConfig
from genair_engine.verbs.evaluation.coldstart import ColdStartRequest
from genair_engine.verbs.training.checks import check
from genair_engine.workspace import Workspace


def check_coldstart(workspace: Workspace, request: ColdStartRequest) -> tuple[DatasetRow, RepresentationRow, TrainingConfig]:
    """Data set, representation and configuration. Raises InputError or NotFoundError where it cannot run."""
    if not METHOD_FACTS[request.method].projected:
        raise InputError(
            f"Method {request.method!r} has free item vectors and none for an item that it was not trained on: give genair or "
            "genair-id."
        )
    owner, representation, config = check(workspace, request)
    assert representation is not None  # a method that projects needs one
    return owner, representation, config
