"""The kinds of job: which verb each runs, what is checked before it is queued, and how it is called in one line."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from genair_engine import verbs
from genair_engine.errors import InputError
from genair_engine.store import runs as rows
from genair_engine.verbs.base import is_positional
from genair_engine.verbs.datasets.imports import import_result, refuse_taken
from genair_engine.verbs.evaluation.checks import check_coldstart
from genair_engine.verbs.representations.represent import represent_result
from genair_engine.verbs.system.demo import check_demo
from genair_engine.verbs.texts.prompts import find_prompt
from genair_engine.verbs.training import checks, grid
from genair_engine.verbs.training.requests import run_title
from genair_engine.verbs.training.runs import run_of_job
from genair_engine.workspace import Workspace


@dataclass(frozen=True)
class Kind:
    """A verb that may be a job.

    title: the request in one line. check: raises InputError or NotFoundError where it cannot run. made: (workspace, job) → the
    result of an earlier attempt that died before it could say so, so that nothing is made twice; verbs that go on with what
    is there need none.
    """

    name: str
    request: type[Any]
    run: Callable[[Workspace, Any, verbs.Progress], verbs.Result]
    title: Callable[[Any], str]
    check: Callable[[Workspace, Any], object]
    made: Callable[[Workspace, str], verbs.Result | None] = lambda workspace, job: None  # noqa: ARG005


def _dataset_exists(workspace: Workspace, request: Any) -> None:
    workspace.dataset_row(request.dataset)


def _can_import(workspace: Workspace, request: verbs.ImportRequest) -> None:
    refuse_taken(workspace, request.name)
    if not request.path.exists():
        raise InputError(f"There is no file or folder {request.path}.")


def _can_generate(workspace: Workspace, request: verbs.GenerateRequest) -> None:
    _dataset_exists(workspace, request)
    with workspace.reading() as session:
        find_prompt(session, request.prompt)


def _can_embed(workspace: Workspace, request: verbs.EmbedRequest) -> None:
    _dataset_exists(workspace, request)
    if request.texts is not None and not request.texts.is_file():
        raise InputError(f"There is no file {request.texts}.")


def _can_train(workspace: Workspace, request: verbs.TrainRequest) -> None:
    checks.check(workspace, request)


def _can_sweep(workspace: Workspace, request: verbs.SweepRequest) -> None:
    grid.check(workspace, request)


def _can_evaluate(workspace: Workspace, request: verbs.EvaluateRequest) -> None:
    checks.check_finished(workspace, request)


def _spaces_exist(workspace: Workspace, request: verbs.AnalyseRequest | verbs.ProjectRequest) -> None:
    for name in request.spaces:
        verbs.find_space(workspace, name)


def _imported(workspace: Workspace, job: str) -> verbs.Result | None:
    found = [row for row in workspace.dataset_rows() if row.job_id == job]
    return import_result(workspace, found[0]) if found else None


def _represented(workspace: Workspace, job: str) -> verbs.Result | None:
    with workspace.reading() as session:
        found = rows.representation_of_job(session, job)
    return represent_result(*found) if found else None


def _trained(workspace: Workspace, job: str) -> verbs.Result | None:
    return run_of_job(workspace, job)


def _generation_title(request: verbs.GenerateRequest) -> str:
    prompt = f", prompt {request.prompt}" if "prompt" in request.model_fields_set else ""
    first = f", first {request.limit:,} items" if request.limit else ""
    return f"Write archetypes of {request.dataset} with {request.model}{prompt}{first}"


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "import",
            verbs.ImportRequest,
            verbs.import_dataset,
            lambda r: f"Import {Path(r.path).name} as {r.name}",
            _can_import,
            _imported,
        ),
        Kind(
            "generate",
            verbs.GenerateRequest,
            verbs.generate,
            _generation_title,
            _can_generate,
        ),
        Kind(
            "embed",
            verbs.EmbedRequest,
            verbs.embed,
            lambda r: f"Embed texts for {r.dataset} with {r.model}",
            _can_embed,
        ),
        Kind(
            "score",
            verbs.ScoreRequest,
            verbs.score,
            lambda r: f"Score the archetypes of {r.dataset}" + (f" by {', '.join(r.archetypes)}" if r.archetypes else ""),
            _dataset_exists,
        ),
        Kind(
            "represent",
            verbs.RepresentRequest,
            verbs.represent,
            lambda r: f"Item vectors of {r.dataset} with {r.model}",
            _dataset_exists,
            _represented,
        ),
        Kind(
            "train",
            verbs.TrainRequest,
            verbs.train,
            run_title,
            _can_train,
            _trained,
        ),
        Kind("demo", verbs.DemoRequest, verbs.demo, lambda r: f"Build the demo of {r.items:,} items", check_demo),
        Kind("evaluate", verbs.EvaluateRequest, verbs.evaluate, lambda r: f"Evaluate {r.run}", _can_evaluate),
        Kind(
            "coldstart",
            verbs.ColdStartRequest,
            verbs.coldstart,
            lambda r: f"Cold start of {r.share:.0%} of {r.dataset}, {r.backbone} with {r.method}",
            check_coldstart,
        ),
        Kind("sweep", verbs.SweepRequest, verbs.sweep, lambda r: f"Sweep on {r.dataset}", _can_sweep),
        Kind("analyse", verbs.AnalyseRequest, verbs.analyse, lambda r: f"Spread of {', '.join(r.spaces)}", _spaces_exist),
        Kind(
            "project",
            verbs.ProjectRequest,
            verbs.project,
            lambda r: f"Picture of {', '.join(r.spaces)} by {r.method}",
            _spaces_exist,
        ),
    )
}


def kind_of(name: str) -> Kind:
    """Raises InputError on a name that is no kind of job."""
    try:
        return KINDS[name]
    except KeyError:
        raise InputError(f"There is no kind of job {name!r}: give {', '.join(KINDS)}.") from None


def stored_request(kind: Kind, config: dict[str, Any]) -> Any:
    """The typed request of a stored job. Raises InputError where this version no longer understands it."""
    try:
        return kind.request(**config)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"This version cannot read the job's configuration ({'.'.join(map(str, first['loc']))}: {first['msg']}). "
            "Launch it again from the form."
        ) from None


def command_line(kind: str, request: BaseModel) -> str:
    """What to type after `python -m genair_engine` for this request: the fields that were given, as the CLI takes them."""
    fields = type(request).model_fields
    given = [name for name in fields if name in request.model_fields_set and is_positional(fields[name])]
    return shlex.join([kind, *(_word(getattr(request, name)) for name in given), *_options(request)])


def _options(request: BaseModel) -> list[str]:
    """Fields of a field (sampling) are options of their own, a mapping is one option for each pair."""
    words: list[str] = []
    for name, field in type(request).model_fields.items():
        value = getattr(request, name)
        option = f"--{name.replace('_', '-')}"
        if name not in request.model_fields_set or is_positional(field) or value is None or value is False:
            continue
        if isinstance(value, BaseModel):
            words += _options(value)
        elif isinstance(value, dict):
            words += [word for key, one in value.items() for word in (option, f"{key}={one}")]
        elif value is True:
            words.append(option)
        else:
            words += [option, _word(value)]
    return words


def _word(value: Any) -> str:
    """A value as one word of the command line."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
