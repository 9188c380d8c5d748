"""Whether what is asked can be measured, told before anything is trained, and without torch."""

from __future__ import annotations

from genair_engine.errors import InputError
from genair_engine.methods.registry import rank_new_items
from genair_engine.verbs.evaluation.coldstart import ColdStartRequest
from genair_engine.verbs.training.checks import RunPlan, check
from genair_engine.workspace import Workspace


def check_coldstart(workspace: Workspace, request: ColdStartRequest) -> RunPlan:
    """The plan of the training. Raises InputError or NotFoundError where it cannot run."""
    method = request.config().definition
    if not method.tags.ranks_new_items:
        raise InputError(
            f"Method {method.name!r} has free item vectors and none for an item that it was not trained on: give "
            f"{' or '.join(rank_new_items())}."
        )
    return check(workspace, request)
