"""Whether a run can be trained or evaluated, told before anything is trained, and without torch: forms and queues ask it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genair_engine.errors import InputError
from genair_engine.methods.config import METHOD_FACTS, ModelConfig
from genair_engine.store import runs as rows
from genair_engine.store.tables import DatasetRow, RepresentationRow
from genair_engine.training.config import TrainingConfig
from genair_engine.verbs.training.requests import EvaluateRequest, TrainRequest
from genair_engine.workspace import Workspace


def check(workspace: Workspace, request: TrainRequest) -> tuple[DatasetRow, RepresentationRow | None, TrainingConfig]:
    """Data set, representation and configuration of a request, on whatever device. Raises NotFoundError, InputError."""
    config, method = request.config(), METHOD_FACTS[request.method]
    owner = workspace.dataset_row(request.dataset)
    named = request.representation
    with workspace.reading() as session:
        representation = rows.find_representation(session, owner, named) if named is not None else None
    if method.needs_representation and representation is None:
        raise InputError(f"Method {config.method!r} needs --representation: make one with `represent {owner.name} …`.")
    if not method.needs_representation and representation is not None:
        raise InputError(f"Method {config.method!r} uses no representation: leave --representation out.")
    if representation is not None:
        kept_columns(representation.id, representation.dims, config)
    if len(workspace.load_dataset(request.dataset).split.users) == 0:
        raise InputError(f"{owner.name!r} has no user with three interactions: nothing to validate on.")
    return owner, representation, config


def check_finished(workspace: Workspace, request: EvaluateRequest) -> None:
    """Raises NotFoundError, and InputError for a run that has not finished."""
    with workspace.reading() as session:
        run, _ = rows.find_run(session, request.run)
    if run.state != "done":
        raise InputError(f"Run {request.run!r} is {run.state}: only a finished run can be evaluated.")


def kept_columns(name: str, dims: dict[str, int], config: ModelConfig) -> npt.NDArray[np.bool_]:
    """[D] the columns of a representation that are used: parts stand side by side, in the order of `dims`. Raises
    InputError.
    """
    parts = list(dims)
    if config.without is not None and (config.without not in parts or len(parts) == 1):
        raise InputError(
            f"Representation {name} holds {' and '.join(parts)}: leaving out {config.without} needs one that holds it and "
            "something else."
        )
    return np.repeat([part != config.without for part in parts], list(dims.values()))
