"""What a training request asks for, checked before anything is trained and without torch: forms and queues ask it.

A plan holds everything that a run's result depends on: the data set, the configuration, and the inputs that its method needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genair_engine import __version__
from genair_engine.errors import InputError
from genair_engine.methods.base import ITEM_PARTS, InputKind, Need
from genair_engine.methods.config import RunConfig
from genair_engine.methods.item_parts import ItemParts, PartOptions
from genair_engine.store import runs as rows
from genair_engine.store.keys import content_key
from genair_engine.store.tables import DatasetRow, RepresentationRow
from genair_engine.verbs.training.requests import EvaluateRequest, TrainRequest
from genair_engine.workspace import Workspace


@dataclass(frozen=True)
class RunInput:
    """What a run reads in one role: a representation, a set of texts, or another run, by its id."""

    role: str
    kind: InputKind
    id: str


@dataclass(frozen=True)
class RunPlan:
    """A run as it was asked for. device: in words, with the number of processes.

    As a GPU rounds otherwise than a CPU, a plan for any device that goes from one to the other begins a run anew, and the one
    that it had begun stays stopped.
    """

    owner: DatasetRow
    config: RunConfig
    inputs: tuple[RunInput, ...]
    representation: RepresentationRow | None
    device: str

    @property
    def key(self) -> str:
        """Equal for two requests only if their runs come out equal: it covers what is read, and nothing else."""
        inputs = sorted((given.role, given.id) for given in self.inputs)
        return content_key([self.owner.content_hash, inputs, self.config.key(), self.device, __version__])


def check(workspace: Workspace, request: TrainRequest) -> RunPlan:
    """The plan of a request, on the device that it names. Raises NotFoundError, InputError."""
    config = request.config()
    owner = workspace.dataset_row(request.dataset)
    given = dict(request.inputs) | ({ITEM_PARTS.role: request.representation} if request.representation else {})
    needs = {need.role: need for need in config.definition.needs}
    _refuse_unneeded(config, given, needs)
    representation: RepresentationRow | None = None
    inputs = []
    for need in needs.values():
        if need.role not in given:
            if not need.optional:
                raise InputError(f"Method {config.method!r} needs {_option(need)}, {need.purpose}.")
            continue
        name = given[need.role]
        with workspace.reading() as session:
            if need.kind == "representation":
                row = rows.find_representation(session, owner, name)
                if need.role == ITEM_PARTS.role:
                    representation = row
                    _check_parts(row, config)
            else:
                run, of = rows.find_run(session, name)
                _check_run(need, run.method, run.state, name, of.name, owner.name)
        inputs.append(RunInput(need.role, need.kind, name))
    if len(workspace.load_dataset(request.dataset).split.users) == 0:
        raise InputError(f"{owner.name!r} has no user with three interactions: nothing to validate on.")
    return RunPlan(owner, config, tuple(inputs), representation, request.device)


def check_finished(workspace: Workspace, request: EvaluateRequest) -> None:
    """Raises NotFoundError, and InputError for a run that has not finished."""
    with workspace.reading() as session:
        run, _ = rows.find_run(session, request.run)
    if run.state != "done":
        raise InputError(f"Run {request.run!r} is {run.state}: only a finished run can be evaluated.")


def _option(need: Need) -> str:
    return "--representation" if need.role == ITEM_PARTS.role else f"--inputs {need.role}=…"


def _refuse_unneeded(config: RunConfig, given: Mapping[str, str], needs: Mapping[str, Need]) -> None:
    for role in given:
        if role in needs:
            continue
        if role == ITEM_PARTS.role:
            raise InputError(f"Method {config.method!r} uses no representation: leave --representation out.")
        roles = ", ".join(role for role in needs if role != ITEM_PARTS.role) or "none"
        raise InputError(f"Method {config.method!r} has no input {role!r}; it takes {roles}.")


def _check_parts(row: RepresentationRow, config: RunConfig) -> None:
    if isinstance(config.options, PartOptions):
        ItemParts(np.empty((0, 0), dtype=np.float32), row.dims, row.id).kept(config.options)


def _check_run(need: Need, method: str, state: str, name: str, dataset: str, wanted: str) -> None:
    if dataset != wanted:
        raise InputError(f"Run {name!r} is of data set {dataset!r}, not of {wanted!r}.")
    if state != "done":
        raise InputError(f"Run {name!r} is {state}: only a finished run can be read by another.")
    if need.method is not None and method != need.method:
        raise InputError(f"Input {need.role!r} must be a run of method {need.method!r}, and {name!r} is one of {method!r}.")
