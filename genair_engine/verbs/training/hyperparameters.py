"""Search of hyperparameters: Optuna's TPE over validation NDCG@10 of full ranking, every trial an ordinary run.

TPE (Bergstra et al., NeurIPS 2011) proposes what to try next from the trials so far. The study is kept in the workspace's
database and found again by a name made of everything but the number of trials: the same command goes on with it, and a larger
number of trials adds to it. The sampler is seeded anew for each trial by how many are done, so that an interrupted search ends
as if it had not been.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from genair_engine.cluster import spread
from genair_engine.errors import InputError, NonFiniteError
from genair_engine.methods.fields import ConfigFields, option_types
from genair_engine.store import artifacts, studies
from genair_engine.store.keys import content_key
from genair_engine.training.trainer import STOPPING_METRIC
from genair_engine.verbs.base import Progress
from genair_engine.verbs.training.cells import Trained, train_or_reuse
from genair_engine.verbs.training.checks import check
from genair_engine.verbs.training.grid import Configuration, changed, in_words, seeds_of
from genair_engine.verbs.training.runs import run_result
from genair_engine.verbs.training.sweep import SweepRequest
from genair_engine.workspace import Workspace

NOT_SEARCHED = ("seed", "preset")
"""The seed is luck, and a preset is a set of other fields."""
GRIDS = {
    "backbones": "backbone",
    "methods": "method",
    "losses": "loss",
    "alphas": "alpha",
    "gammas": "gamma",
    "ablations": "without",
}
"""Options that a search does not take, and what it may change instead."""
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Dimension:
    """A field that the search may change: one of `choices`, or a number from low to high (log: evenly in its logarithm)."""

    name: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    def suggest(self, trial: Trial) -> Any:
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)


@dataclass
class Searched:
    """The runs of a search, a configuration each; best: by the objective, None when no trial was finished."""

    trained: list[Trained] = field(default_factory=list)
    best: Configuration | None = None
    notes: list[str] = field(default_factory=list)


def dimension(name: str, text: str) -> Dimension:
    """The dimension that `--search NAME=TEXT` describes: LOW:HIGH, LOW:HIGH:log, or A|B|C. Raises InputError."""
    name = name.replace("-", "_")
    known = _declared(name)
    if known is None or name in NOT_SEARCHED:
        possible = ", ".join(field for field in ConfigFields.model_fields if field not in NOT_SEARCHED)
        raise InputError(f"--search {name}: this cannot be searched. What can: {possible}.")
    kinds = get_args(known.annotation) or (known.annotation,)
    is_number = int in kinds or float in kinds
    parts = text.split("|") if "|" in text else text.split(":")
    ranged = "|" not in text and is_number
    if ranged and not (len(parts) == 2 or (len(parts) == 3 and parts[2] == "log")):
        raise InputError(f"--search {name}={text}: write {name}=LOW:HIGH, {name}=LOW:HIGH:log or '{name}=A|B|C' (quoted).")
    if not ranged and len(parts := text.split("|")) < 2:
        raise InputError(f"--search {name}={text}: write the values to choose from as '{name}=A|B|C' (quoted).")
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[known.annotation, Field(), *known.metadata])  # type: ignore[arg-type]
    try:
        values = [adapter.validate_python(part.strip()) for part in (parts[:2] if ranged else parts)]
    except ValidationError as error:
        raise InputError(f"--search {name}={text}: {error.errors()[0]['msg']}.") from None
    if not ranged:
        return Dimension(name, choices=tuple(values))
    low, high = values
    log = len(parts) == 3
    if low >= high or (log and low <= 0):
        raise InputError(f"--search {name}={text}: the first number must be below the second{', and above 0' if log else ''}.")
    return Dimension(name, low=low, high=high, log=log, whole=int in kinds)


def _declared(name: str) -> FieldInfo | None:
    """How a name or option of a configuration is declared; None where there is none of that name."""
    declared = (options.model_fields.get(name) for options in option_types().values())
    return next((field for field in declared if field is not None), ConfigFields.model_fields.get(name))


def search(workspace: Workspace, request: SweepRequest, progress: Progress) -> Searched:
    """Runs trials until `request.trials` are done, counting those of earlier calls, and returns all of them.

    A trial whose combination cannot run or whose training diverges counts as done and as bad. Raises InputError for a search
    space that makes no sense, beside grids, and while another process does the same search.
    """
    if not (request.trials and request.search):
        raise InputError("A search needs both: --trials, how many, and --search, what may change (repeatable).")
    for grid, name in GRIDS.items():
        if getattr(request, grid):
            raise InputError(f"A search takes no grid: give {grid} as --search '{name}=A|B|C', or leave --trials out.")
    space = [dimension(name, text) for name, text in request.search.items()]
    asked = check(workspace, changed(request, {}).request)
    key = content_key([asked.key, sorted(request.search.items())])[:16]
    with artifacts.locked(workspace.path(asked.owner.folder) / f"search-{key}") as ours:
        if not ours:
            raise InputError("Another process does exactly this search: wait for it, or end it.")
        with _study(workspace, studies.prefix(asked.owner.name, asked.owner.id) + key) as study:
            _take_up(study, space)
            while (done := len(study.get_trials(states=DONE))) < request.trials:
                study.sampler = optuna.samplers.TPESampler(seed=seeds_of(request)[0] + done)
                _try(workspace, request, study, space, progress, done)
            return _searched(workspace, request, study.get_trials(states=DONE)[: request.trials])


@contextmanager
def _study(workspace: Workspace, name: str) -> Iterator[optuna.Study]:
    """The study of that name, new or as it was left. Raises WorkspaceError as `studies.opened`."""
    optuna.logging.set_verbosity(logging.WARNING)
    with studies.opened(workspace.engine, workspace.settings.database, workspace.path(studies.LOCK)) as storage:
        yield optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)


def _take_up(study: optuna.Study, space: list[Dimension]) -> None:
    """Trials of a process that ended in the middle are tried again: their runs go on where they stopped."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params.keys() == {dimension.name for dimension in space}:
            study.enqueue_trial(trial.params)


def _try(
    workspace: Workspace, request: SweepRequest, study: optuna.Study, space: list[Dimension], progress: Progress, done: int
) -> None:
    trial = study.ask()
    values = {dimension.name: dimension.suggest(trial) for dimension in space}

    def tell(_index: int, epoch: int, epochs: int, what: str) -> None:
        progress(epoch, epochs, f"trial {done + 1} of {request.trials} ({in_words(values)}): {what}")

    try:
        asked = changed(request, values).request
        with closing(spread(workspace, train_or_reuse, [asked], tell, request.device)) as finished:
            _, run = next(finished)
    except (InputError, NonFiniteError) as error:
        trial.set_user_attr("reason", str(error))
        study.tell(trial, state=TrialState.PRUNED)
        progress(done + 1, request.trials, f"trial {done + 1}: {error}")
    else:
        trial.set_user_attr("run", run.run)
        study.tell(trial, run.metrics["valid"]["full"][STOPPING_METRIC])


def _searched(workspace: Workspace, request: SweepRequest, trials: list[FrozenTrial]) -> Searched:
    searched, runs = Searched(), set()
    for trial in trials:
        if trial.state is not TrialState.COMPLETE:
            searched.notes.append(f"Trial {trial.number + 1} was not finished: {trial.user_attrs['reason']}")
        elif trial.user_attrs["run"] not in runs:  # a small space is tried twice in places
            runs.add(trial.user_attrs["run"])
            tried = changed(request, trial.params, in_words(trial.params))
            searched.trained.append(Trained(tried, [run_result(workspace, trial.user_attrs["run"])]))
    finished = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if finished:
        best = max(finished, key=lambda trial: trial.value or 0.0)
        searched.best = changed(request, best.params, in_words(best.params))
        searched.notes.append(
            f"The best of {len(trials)} trials was chosen by validation NDCG@10: its own validation numbers are optimistic."
        )
    return searched
