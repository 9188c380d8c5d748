"""Writes docs/cli.md and docs/json.md from the verbs' types, and docs/components.md from the registries: `make docs`.

A test compares the files with what this would write, so that a new option or key without its line is noticed.
"""

from __future__ import annotations

import inspect
import types
import typing
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from genair_engine.cli import commands, flat_fields
from genair_engine.losses.ranking.registry import LOSSES
from genair_engine.methods.backbones import BACKBONES
from genair_engine.methods.base import Tags
from genair_engine.methods.registry import METHODS
from genair_engine.methods.stages import TrainingOptions
from genair_engine.verbs.base import Verb, is_positional

FOLDER = Path(__file__).resolve().parent
HEAD_OF_OPTIONS = """# Verbs and their options

This page is generated from the verbs' request types (`make docs`); `genair VERB --help` says the same. Every verb also
takes `--json` (the result as one JSON object, see [JSON keys](json.md)) and `--quiet` (no progress on stderr); those that may
be jobs take `--job`, which queues them for a worker. Lists are separated by commas.
"""
HEAD_OF_KEYS = """# JSON keys

This page is generated from the verbs' result types (`make docs`). With `--json` a verb prints one JSON object and nothing
else on stdout; progress and errors go to stderr. Its keys are stable. `key[]` stands for an entry of a list, `key.*` for any
value of an object. A verb with `--job` prints the job instead, whose keys are those of `jobs[]` in [`jobs`](#jobs).
"""
HEAD_OF_COMPONENTS = """# Methods, backbones and losses: options

This page is generated from the registries (`make docs`). What the methods do is in [methods](methods.md), what training does
in [training](training.md). An option is of the methods, backbones and losses under which it stands: given with others it is
refused, and a run's key covers only what is read.
"""
PLAIN = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    datetime: "time",
    Any: "any value",
}
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def options_page() -> str:
    """docs/cli.md."""
    return "\n".join([HEAD_OF_OPTIONS, *(_options_of(verb) for verb in commands().values())])


def keys_page() -> str:
    """docs/json.md."""
    return "\n".join([HEAD_OF_KEYS, *(_keys_of(verb) for verb in commands().values())])


def components_page() -> str:
    """docs/components.md."""
    methods = [
        _component(
            f"Method `{method.name}`",
            f"{method.purpose}. Source: {method.source.citation or method.source.kind}.",
            [f"Needs {need.role}: {need.purpose}." for need in method.needs] + [f"Tags: {_tags(method.tags)}."],
            method.options,
        )
        for method in METHODS.values()
    ]
    backbones = [
        _component(f"Backbone `{entry.name}`", f"{entry.purpose}.", [], entry.options) for entry in BACKBONES.values()
    ]
    losses = [_component(f"Loss `{loss.name}`", f"{loss.purpose}.", [], loss.options) for loss in LOSSES.values()]
    training = _component("Training", "Of every method that is trained.", [], TrainingOptions)
    return "\n".join([HEAD_OF_COMPONENTS, *methods, *backbones, *losses, training])


def _component(title: str, purpose: str, remarks: list[str], options: type[BaseModel]) -> str:
    table = [
        f"| `{_option(name, field)}` | {_cell(_values(field))} | {_default(field)} | {_cell(field.description or '')} |"
        for name, field in options.model_fields.items()
    ]
    head = ["", "| option | values | default | meaning |", "|---|---|---|---|"] if table else []
    return "\n".join([f"## {title}", "", " ".join([purpose[0].upper() + purpose[1:], *remarks]), *head, *table, ""])


def _tags(tags: Tags) -> str:
    """Those that hold, in words."""
    return ", ".join(name.replace("_", " ") for name, holds in vars(tags).items() if holds) or "none"


def _options_of(verb: Verb) -> str:
    fields = flat_fields(verb.request)
    words = ["genair", verb.name, *(_option(path, field) for path, field in fields if is_positional(field))]
    job = " It may be a job (`--job`)." if verb.job else ""
    table = [
        f"| `{_option(path, field)}` | {_cell(_values(field))} | {_default(field)} | {_cell(_meaning(field))} |"
        for path, field in fields
    ]
    head = ["", "| option | values | default | meaning |", "|---|---|---|---|"] if table else []
    return "\n".join([f"## {verb.name}", "", f"`{' '.join(words)}`", "", _prose(verb.request) + job, *head, *table, ""])


def _option(path: str, field: FieldInfo) -> str:
    name = path.rsplit(".", 1)[-1]
    return name.upper() if is_positional(field) else f"--{name.replace('_', '-')}"


def _values(field: FieldInfo) -> str:
    if field.annotation is bool:
        return "flag"
    limits = [
        f"{sign} {getattr(limit, name):,}" for limit in field.metadata for name, sign in SIGNS.items() if hasattr(limit, name)
    ]
    return ", ".join([_type(field.annotation).removesuffix(", or null"), *limits])


def _default(field: FieldInfo) -> str:
    default = _extra(field).get("default") or field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    return "–" if default in (None, False, "", [], {}) else f"`{default}`"


def _meaning(field: FieldInfo) -> str:
    """The description, and whose option it is where it is not everybody's."""
    owners = _extra(field).get("of")
    return f"{field.description or ''}" + (f" (of {', '.join(owners)})" if owners else "")


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _keys_of(verb: Verb) -> str:
    same = _verb_of(verb.result)
    if same != verb.name:
        return f"## {verb.name}\n\nAs [`{same}`](#{same}).\n"
    table = [f"| `{key}` | {_cell(kind)} | {_cell(meaning)} |" for key, kind, meaning in _rows(verb.result, "", verb.name)]
    head = ["| key | value | of the record |", "|---|---|---|"]
    return "\n".join([f"## {verb.name}", "", _prose(verb.result), "", *head, *table, ""])


def _verb_of(result: type[BaseModel]) -> str | None:
    """The first verb with this result."""
    return next((name for name, verb in commands().items() if verb.result is result), None)


def _rows(model: type[BaseModel], prefix: str, verb: str) -> list[tuple[str, str, str]]:
    """(key, type in words, what its record is) of all fields, those of records inside of it after each."""
    rows = []
    for name, field in model.model_fields.items():
        record = record_of(field.annotation)
        key, kind = prefix + name, _type(field.annotation)
        other = _verb_of(record) if record else None
        if record is None:
            rows.append((key, kind, ""))
        elif other and other != verb:
            rows.append((key, f"as [`{other}`](#{other})", ""))
        else:
            entry = "[]" if kind.startswith("list") else ".*" if kind.startswith("object:") else ""
            rows += [(key, kind, _prose(record)), *_rows(record, f"{key}{entry}.", verb)]
    return rows


def record_of(annotation: Any) -> type[BaseModel] | None:
    """The record in a field's type, as in list[Record], dict[str, Record] or Record | None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(record_of, typing.get_args(annotation))), None)


def _type(annotation: Any) -> str:
    """A type in words."""
    if annotation in PLAIN:
        return PLAIN[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(inner[0])
    if origin is Literal:
        return " · ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(kind) for kind in inner if kind is not type(None)) + (
            ", or null" if type(None) in inner else ""
        )
    if origin is dict:
        return f"object: {_type(inner[0])} → {_type(inner[1])}"
    if origin in (list, tuple):
        kinds = dict.fromkeys(_type(kind) for kind in inner if kind is not Ellipsis)
        return f"list of {' or '.join(kinds)}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "object"
    raise TypeError(f"No words for the type {annotation}: add them to {__file__}.")


def _prose(model: type[BaseModel]) -> str:
    """The docstring in one line."""
    return " ".join(inspect.cleandoc(model.__doc__ or "").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Writes the pages."""
    (FOLDER / "cli.md").write_text(options_page(), encoding="utf-8")
    (FOLDER / "components.md").write_text(components_page(), encoding="utf-8")
    (FOLDER / "json.md").write_text(keys_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
