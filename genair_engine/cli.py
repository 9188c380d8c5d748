"""The verbs for a terminal: `python -m genair_engine VERB … [--json]`.

Options, their help and their checks come from the verbs' request types; nothing is declared twice. A result goes to
stdout, as text or (with --json) as one JSON object and nothing else; progress and errors go to stderr. Exit code 1 is an
error that the user can read, 2 a command line that makes no sense, 130 an interruption (what was done is kept).

Under torchrun (`python -m torch.distributed.run --standalone --nproc-per-node 4 -m genair_engine train …`) every process
runs the verb, and only the first one prints the result.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from genair_engine import verbs
from genair_engine.api.server import ServeRequest, serve
from genair_engine.errors import GenairError, InputError
from genair_engine.jobs import KINDS, submit
from genair_engine.jobs.commands import JobsCommandRequest, WorkerRequest, jobs_command, worker
from genair_engine.settings import load_settings
from genair_engine.verbs.base import is_positional
from genair_engine.workspace import Workspace


@dataclass(frozen=True)
class Command:
    """A verb as the terminal knows it. on_settings: it takes the settings, as it must work without a workspace."""

    run: Callable[[Any, Any, verbs.Progress], verbs.Result]
    request: type[BaseModel]
    on_settings: bool = False


BAR = 24
"""Characters of a progress bar."""

COMMANDS = {
    "demo": Command(verbs.demo, verbs.DemoRequest),
    "import": Command(verbs.import_dataset, verbs.ImportRequest),
    "datasets": Command(verbs.list_datasets, verbs.DatasetsRequest),
    "report": Command(verbs.report, verbs.ReportRequest),
    "delete": Command(verbs.delete_dataset, verbs.DeleteRequest),
    "generate": Command(verbs.generate, verbs.GenerateRequest),
    "regenerate": Command(verbs.regenerate, verbs.RegenerateRequest),
    "embed": Command(verbs.embed, verbs.EmbedRequest),
    "score": Command(verbs.score, verbs.ScoreRequest),
    "rate": Command(verbs.rate, verbs.RateRequest),
    "ratings": Command(verbs.ratings, verbs.RatingsRequest),
    "pin": Command(verbs.pin, verbs.PinRequest),
    "prompts": Command(verbs.prompts, verbs.PromptsRequest),
    "prompt-save": Command(verbs.prompt_save, verbs.PromptSaveRequest),
    "prompt-render": Command(verbs.prompt_render, verbs.PromptRenderRequest),
    "represent": Command(verbs.represent, verbs.RepresentRequest),
    "train": Command(verbs.train, verbs.TrainRequest),
    "evaluate": Command(verbs.evaluate, verbs.EvaluateRequest),
    "sweep": Command(verbs.sweep, verbs.SweepRequest),
    "compare": Command(verbs.compare, verbs.CompareRequest),
    "analyse": Command(verbs.analyse, verbs.AnalyseRequest),
    "project": Command(verbs.project, verbs.ProjectRequest),
    "recommend": Command(verbs.recommend, verbs.RecommendRequest),
    "explain": Command(verbs.explain, verbs.ExplainRequest),
    "new-item": Command(verbs.new_item, verbs.NewItemRequest),
    "audience": Command(verbs.audience, verbs.AudienceRequest),
    "coldstart": Command(verbs.coldstart, verbs.ColdStartRequest),
    "export": Command(verbs.export, verbs.ExportRequest),
    "index": Command(verbs.index, verbs.IndexRequest),
    "serve": Command(serve, ServeRequest),
    "what-if": Command(verbs.what_if, verbs.WhatIfRequest),
    "jobs": Command(jobs_command, JobsCommandRequest),
    "worker": Command(worker, WorkerRequest),
    "doctor": Command(verbs.doctor, verbs.DoctorRequest, on_settings=True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    options = _parser().parse_args(arguments)
    command = COMMANDS[options.verb]
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        request = _request(command.request, vars(options))
        settings = load_settings()
        context = settings if command.on_settings else Workspace.open(settings)
        if getattr(options, "as_job", False):
            command = Command(_submit(options.verb), command.request)
        result = command.run(context, request, _quiet if options.quiet else _report)
    except GenairError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "interrupted; demo, generate, train and sweep go on where they stopped when the same command is given",
            file=sys.stderr,
        )
        return 130
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("RANK") == "0":
        print(result.model_dump_json(indent=2) if options.json else "\n".join(result.lines()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m genair_engine",
        description="GenAIR Studio's verbs: import a data set, let language models write archetypes, train, recommend.",
    )
    subparsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, command in COMMANDS.items():
        summary = (command.request.__doc__ or "").strip()
        sub = subparsers.add_parser(name, help=summary, description=summary)
        for path, field in _flat_fields(command.request):
            _add_option(sub, path, field)
        if name in KINDS:
            sub.add_argument("--job", dest="as_job", action="store_true", help="queue it for a worker and return at once")
        sub.add_argument("--json", action="store_true", help="print the result as one JSON object")
        sub.add_argument("--quiet", action="store_true", help="no progress on stderr")
    return parser


def _flat_fields(model: type[BaseModel], prefix: str = "") -> list[tuple[str, FieldInfo]]:
    """The fields of a request; those of a nested model (sampling) are options of their own."""
    fields: list[tuple[str, FieldInfo]] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields += _flat_fields(kind, f"{prefix}{name}.")
        else:
            fields.append((prefix + name, field))
    positional_first = sorted(fields, key=lambda pair: not is_positional(pair[1]))
    return positional_first


def _add_option(parser: argparse.ArgumentParser, path: str, field: FieldInfo) -> None:
    extra = _extra(field)
    name = path.rsplit(".", 1)[-1].replace("_", "-")
    help_text = (field.description or "").replace("%", "%%")
    if is_positional(field):
        positional = parser.add_argument(path, metavar=name.upper(), help=help_text)
        if not field.is_required():
            positional.nargs, positional.default = "?", field.default
        return
    flags = [f"--{name}"] + ([extra["short"]] if "short" in extra else [])
    choices, many = _choices(field.annotation)
    default = field.get_default(call_default_factory=True)
    if field.annotation is bool:
        parser.add_argument(*flags, dest=path, action="store_true", default=argparse.SUPPRESS, help=help_text)
        return
    if not field.is_required() and default not in (None, {}, [], ""):
        help_text += f" (default: {default})"
    if typing.get_origin(field.annotation) is dict:
        parser.add_argument(*flags, dest=path, action="append", metavar="KEY=VALUE", default=argparse.SUPPRESS, help=help_text)
        return
    parser.add_argument(
        *flags,
        dest=path,
        required=field.is_required(),
        choices=choices,
        metavar=None if choices else ("A,B,…" if many else name.upper().replace("-", "_")),
        default=argparse.SUPPRESS,
        help=help_text,
    )


def _choices(annotation: Any) -> tuple[list[str] | None, bool]:
    """The values of a Literal (also one that may be None), and whether the field takes a list."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        annotation = next(kind for kind in typing.get_args(annotation) if kind is not type(None))
    if typing.get_origin(annotation) is Literal:
        return [str(value) for value in typing.get_args(annotation)], False
    return None, typing.get_origin(annotation) is list


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _request(model: type[BaseModel], options: dict[str, Any]) -> BaseModel:
    """The typed request. Raises InputError that names the option that is wrong."""
    values: dict[str, Any] = {}
    for path, field in _flat_fields(model):
        if path not in options:
            continue
        value: Any = options[path]
        if _choices(field.annotation)[1]:
            value = [part.strip() for part in value.split(",") if part.strip()]
        elif typing.get_origin(field.annotation) is dict:
            value = dict(_pair(path, part) for part in value)
        target = values
        *parents, leaf = path.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[leaf] = value
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        named = [part for part in first["loc"] if isinstance(part, str)]  # the others are places in a list
        where = "--" + named[-1].replace("_", "-") + ": " if named else ""
        raise InputError(f"{where}{first['msg']}.") from None


def _submit(kind: str) -> Callable[[Workspace, BaseModel, verbs.Progress], verbs.Result]:
    """The verb as a job."""
    return lambda workspace, request, progress: submit(workspace, kind, request)  # noqa: ARG005


def _pair(path: str, text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise InputError(f"--{path}: {text!r} is not of the form KEY=VALUE.")
    return key.strip(), value.strip()


def _report(done: int, total: int, what: str) -> None:
    """A bar that moves where a person looks on, and a line each in a log."""
    if not sys.stderr.isatty():
        print(f"[{done:,}/{total:,}] {what}", file=sys.stderr, flush=True)
        return
    width = shutil.get_terminal_size().columns
    filled = round(BAR * done / max(total, 1))
    said = f"{'━' * filled}{'┄' * (BAR - filled)} {done:,}/{total:,} {what}"[: width - 1]
    print(f"\r{said:<{width - 1}}", end="\n" if done >= total else "", file=sys.stderr, flush=True)


def _quiet(done: int, total: int, what: str) -> None:
    """Says nothing."""
