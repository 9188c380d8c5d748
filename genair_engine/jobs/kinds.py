"""The kinds of job: the verbs that may be one. How a job's request is checked, stored, and written as a command line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from genair_engine.errors import InputError
from genair_engine.verbs import registry
from genair_engine.verbs.base import AsJob, Result, Verb, is_positional, may_be_folder
from genair_engine.workspace import Workspace


def job_kinds() -> dict[str, Verb]:
    """{name: verb} of those that may be jobs."""
    return {name: verb for name, verb in registry.all_verbs().items() if verb.job is not None}


def kind_of(name: str) -> tuple[Verb, AsJob]:
    """A verb, and how it runs as a job. Raises InputError on a name that is no kind of job."""
    kinds = job_kinds()
    verb = kinds.get(name)
    if verb is None or verb.job is None:
        raise InputError(f"There is no kind of job {name!r}: give {', '.join(kinds)}.")
    return verb, verb.job


def check(workspace: Workspace, job: AsJob, request: BaseModel) -> None:
    """Raises InputError or NotFoundError where the request cannot run."""
    registry.resolve(job.check)(workspace, request)


def earlier_result(workspace: Workspace, job: AsJob, name: str) -> Result | None:
    """What an earlier attempt at the job of that name has kept before it died, if it has."""
    result: Result | None = registry.resolve(job.earlier)(workspace, name) if job.earlier else None
    return result


def stored_request(verb: Verb, config: dict[str, Any]) -> Any:
    """The typed request of a stored job. Raises InputError where this version no longer understands it."""
    try:
        return verb.request(**config)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"This version cannot read the job's configuration ({'.'.join(map(str, first['loc']))}: {first['msg']}). "
            "Launch it again from the form."
        ) from None


def anywhere(request: BaseModel) -> BaseModel:
    """The request with its files and folders by their full names: the worker starts in another folder.

    Those are the given fields that hold a `Path`, and those marked `MayBeFolder` that name a folder here.
    """
    full: dict[str, Any] = {}
    fields = type(request).model_fields
    for name in request.model_fields_set:
        value = getattr(request, name)
        if isinstance(value, Path):
            full[name] = value.expanduser().absolute()
        elif isinstance(value, str) and may_be_folder(fields[name]) and (folder := Path(value).expanduser()).is_dir():
            full[name] = str(folder.absolute())
    return request.model_copy(update=full)


def command_line(verb: str, request: BaseModel) -> str:
    """What to type after `python -m genair_engine` for this request: the fields that were given, as the CLI takes them."""
    fields = type(request).model_fields
    given = [name for name in fields if name in request.model_fields_set and is_positional(fields[name])]
    return shlex.join([verb, *(_word(getattr(request, name)) for name in given), *_options(request)])


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
            words += [word for key, part in value.items() for word in (option, f"{key}={part}")]
        elif value is True:
            words.append(option)
        else:
            words += [option, _word(value)]
    return words


def _word(value: Any) -> str:
    """A value as one word of the command line."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
