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
from collections.abc import Sequence
from typing import Any, Literal, Union

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from genair_engine.errors import GenairError, InputError
from genair_engine.verbs import registry
from genair_engine.verbs.base import Result, Verb, is_positional

BAR = 24
"""Characters of a progress bar."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    verbs = commands()
    options = parser(verbs).parse_args(arguments)
    verb = verbs[options.verb]
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        result = _run(verb, _request(verb.request, vars(options)), options)
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


def commands() -> dict[str, Verb]:
    """The verbs that the terminal has."""
    return {name: verb for name, verb in registry.all_verbs().items() if verb.terminal}


def _run(verb: Verb, request: BaseModel, options: argparse.Namespace) -> Result:
    """The verb's result, or the job that it is queued as."""
    from genair_engine.settings import load_settings
    from genair_engine.workspace import Workspace  # the database, which `--help` does not wait for

    settings = load_settings()
    if getattr(options, "as_job", False):
        from genair_engine.jobs.queue import submit

        return submit(Workspace.open(settings), verb.name, request)
    workspace = Workspace.open(settings) if verb.needs_workspace else settings
    result: Result = registry.call(workspace, verb.name, request, _quiet if options.quiet else _report)
    return result


def parser(verbs: dict[str, Verb]) -> argparse.ArgumentParser:
    """Reads the command lines of these verbs."""
    whole = argparse.ArgumentParser(
        prog="python -m genair_engine",
        description="GenAIR Studio's verbs: import a data set, let language models write archetypes, train, recommend.",
    )
    subparsers = whole.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in verbs.items():
        summary = (verb.request.__doc__ or "").strip()
        sub = subparsers.add_parser(name, help=summary, description=summary)
        for path, field in flat_fields(verb.request):
            _add_option(sub, path, field)
        if verb.job:
            sub.add_argument("--job", dest="as_job", action="store_true", help="queue it for a worker and return at once")
        sub.add_argument("--json", action="store_true", help="print the result as one JSON object")
        sub.add_argument("--quiet", action="store_true", help="no progress on stderr")
    return whole


def flat_fields(model: type[BaseModel], prefix: str = "") -> list[tuple[str, FieldInfo]]:
    """The fields of a request; those of a nested model (sampling) are options of their own."""
    fields: list[tuple[str, FieldInfo]] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields += flat_fields(kind, f"{prefix}{name}.")
        else:
            fields.append((prefix + name, field))
    positional_first = sorted(fields, key=lambda pair: not is_positional(pair[1]))
    return positional_first


def _add_option(parser: argparse.ArgumentParser, path: str, field: FieldInfo) -> None:
    extra = _extra(field)
    name = path.rsplit(".", 1)[-1].replace("_", "-")
    help_text = (field.description or "").replace("%", "%%") + _owners(extra)
    if is_positional(field):
        positional = parser.add_argument(path, metavar=name.upper(), help=help_text)
        if not field.is_required():
            positional.nargs, positional.default = "?", field.default
        return
    flags = [f"--{name}"] + ([extra["short"]] if "short" in extra else [])
    choices, many = choices_of(field.annotation)
    default = field.get_default(call_default_factory=True)
    if field.annotation is bool:
        parser.add_argument(*flags, dest=path, action="store_true", default=argparse.SUPPRESS, help=help_text)
        return
    if set(typing.get_args(field.annotation)) == {bool, type(None)}:  # what is not given is decided by a preset, say
        switch = argparse.BooleanOptionalAction
        parser.add_argument(*flags, dest=path, action=switch, default=argparse.SUPPRESS, help=help_text)
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


def choices_of(annotation: Any) -> tuple[list[str] | None, bool]:
    """The values of a Literal (also one that may be None), and whether the field takes a list."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        annotation = next(kind for kind in typing.get_args(annotation) if kind is not type(None))
    if typing.get_origin(annotation) is Literal:
        return [str(value) for value in typing.get_args(annotation)], False
    return None, typing.get_origin(annotation) is list


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _owners(extra: dict[str, Any]) -> str:
    """Of an option of some methods, backbones or losses: of which, and what it is there where it is not given."""
    of = f"of {', '.join(extra['of'])}" if extra.get("of") else ""
    default = f"default: {extra['default']}" if extra.get("default") else ""
    remark = "; ".join(part for part in (of, default) if part)
    return f" ({remark})" if remark else ""


def _request(model: type[BaseModel], options: dict[str, Any]) -> BaseModel:
    """The typed request. Raises InputError that names the option that is wrong."""
    values: dict[str, Any] = {}
    for path, field in flat_fields(model):
        if path not in options:
            continue
        value: Any = options[path]
        if choices_of(field.annotation)[1]:
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
    bar = f"{'━' * filled}{'┄' * (BAR - filled)} {done:,}/{total:,} {what}"[: width - 1]
    print(f"\r{bar:<{width - 1}}", end="\n" if done >= total else "", file=sys.stderr, flush=True)


def _quiet(done: int, total: int, what: str) -> None:
    """Says nothing."""
