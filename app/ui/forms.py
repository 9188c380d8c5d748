"""Forms made from a typed request: what a field is, which widget it gets, and what is wrong with it, all from its declaration.

The type gives the widget, the range its limits, the description its help, with the unit in brackets beside the label. Only
what differs from the default is kept (`given`), so that a preset or another backbone changes everything else. Rules between
fields stay the request's own: its validation says what does not fit, and that appears at the field that it is about.
"""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Union

import annotated_types
import streamlit as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from app.ui.text import plain

Kind = Literal["choice", "toggle", "int", "float", "list", "text"]
_UNIT = re.compile(r"\s*\[([^\]]+)\]\s*$")


@dataclass(frozen=True)
class FieldView:
    """A field as a form sees it. options: of a choice; None among them means that it may be left open."""

    name: str
    label: str
    help: str
    kind: Kind
    options: tuple[Any, ...] = ()
    optional: bool = False
    least: float | None = None
    most: float | None = None


def field_view(name: str, declared: FieldInfo) -> FieldView:
    """What the declaration says."""
    kind, options, optional = _kind(declared.annotation)
    description = declared.description or ""
    unit = _UNIT.search(description)
    label = name if len(name) == 1 else name.replace("_", " ").capitalize()
    least = most = None
    for limit in declared.metadata:
        if isinstance(limit, annotated_types.Ge | annotated_types.Gt):
            least = getattr(limit, "ge", getattr(limit, "gt", None))
        if isinstance(limit, annotated_types.Le | annotated_types.Lt):
            most = getattr(limit, "le", getattr(limit, "lt", None))
    return FieldView(
        name=name,
        label=f"{label} [{unit[1]}]" if unit else label,
        help=_UNIT.sub("", description),
        kind=kind,
        options=options,
        optional=optional,
        least=typing.cast("float | None", least),
        most=typing.cast("float | None", most),
    )


def _kind(annotation: Any) -> tuple[Kind, tuple[Any, ...], bool]:
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) in (Union, types.UnionType) and type(None) in parts:
        kind, options, _ = _kind(next(part for part in parts if part is not type(None)))
        return kind, (None, *options) if kind == "choice" else options, True
    if typing.get_origin(annotation) is Literal:
        return "choice", parts, False
    if typing.get_origin(annotation) is list:
        return "list", (), False
    plain_kinds: dict[Any, Kind] = {bool: "toggle", int: "int", float: "float"}
    return plain_kinds.get(annotation, "text"), (), False


def problems(error: ValidationError, names: Sequence[str]) -> dict[str, str]:
    """What is wrong, by field; under "" what is about none of `names`.

    A rule between fields names them in its message: it goes to the first one that it names.
    """
    messages: dict[str, str] = {}
    for problem in error.errors():
        message = str(problem["msg"]).removeprefix("Value error, ")
        where = str(problem["loc"][0]) if problem["loc"] else ""
        if not where:
            mentioned = sorted((match.start(), name) for name in names for match in re.finditer(rf"\b{name}\b", message))
            where = mentioned[0][1] if mentioned else ""
        if len(problem["loc"]) > 1:
            message = f"{problem['input']}: {message}"
        messages.setdefault(where if where in names else "", f"{message[0].upper()}{message[1:]}.".replace("..", "."))
    return messages


@dataclass
class Form:
    """The fields of a request as widgets whose values are kept in the tab's session.

    fields: how each is declared. key: sets it apart from other forms. values: what the fields show. defaults: where no value
    was given. options: to choose from, where the type does not say them. hidden: fields that are not shown, and whose values
    do not count. problems: by field.
    """

    fields: Mapping[str, FieldInfo]
    key: str
    defaults: Mapping[str, Any]
    options: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        """What was chosen and is not the default."""
        kept: dict[str, Any] = st.session_state.setdefault(f"{self.key}_given", {})
        return kept

    def value(self, name: str) -> Any:
        return self.given.get(name, self.defaults[name])

    def group(self, title: str, names: Sequence[str], icon: str) -> None:
        """Fields under a title that opens; it says how many of them are not as by default, and is open if one is wrong."""
        shown = [name for name in names if name not in self.hidden]
        if not shown:
            return
        changed = sum(name in self.given for name in shown)
        wrong = any(name in self.problems for name in shown)
        mark = f" · {changed} changed" if changed else ""
        with st.expander(f"{title}{mark}", icon=f":material/{icon}:", expanded=wrong, key=f"{self.key}_group_{title}"):
            grid = st.grid(3, min_column_width=190)
            for name in shown:
                with grid.cell():
                    self.widget(name)

    def widget(
        self, name: str, options: Sequence[Any] = (), shown: Callable[[Any], str] | None = None, empty: str = ""
    ) -> None:
        """One field, with what is wrong with it below.

        options: to choose from, where neither the type nor the form says them. empty: what an empty text stands for.
        """
        view = field_view(name, self.fields[name])
        if options := options or self.options.get(name, ()):
            view = replace(view, kind="choice", options=tuple(options))
        key = f"{self.key}_{name}"
        value = _for_widget(view, self.value(name))
        if key not in st.session_state or st.session_state[key] != value:
            st.session_state[key] = value
        shared: dict[str, Any] = {"key": key, "help": plain(view.help), "on_change": self._keep, "args": (view,)}
        label = view.label  # of our own making; screen readers would read out the backslashes of `plain`
        if view.kind == "choice":
            open_ = {"index": None, "placeholder": "none"} if None in view.options else {}
            st.selectbox(
                label, [option for option in view.options if option is not None], format_func=shown or str, **open_, **shared
            )
        elif view.kind == "toggle":
            st.toggle(label, **shared)
        elif view.kind in ("int", "float"):
            st.number_input(label, **_limits(view, self.defaults[name]), placeholder="any", **shared)
        else:
            st.text_input(label, placeholder=empty, **shared)
        if name in self.problems:
            st.caption(f":red[{plain(self.problems[name])}]")

    def _keep(self, view: FieldView) -> None:
        chosen = _from_widget(view, st.session_state[f"{self.key}_{view.name}"])
        if chosen == self.defaults[view.name]:
            self.given.pop(view.name, None)
        else:
            self.given[view.name] = chosen


def _for_widget(view: FieldView, value: Any) -> Any:
    if view.kind == "list":
        return ", ".join(f"{entry:g}" if isinstance(entry, float) else str(entry) for entry in value)
    if view.kind == "float" and value is not None:
        return float(value)
    return value


def _from_widget(view: FieldView, value: Any) -> Any:
    if view.kind == "list":
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _limits(view: FieldView, default: Any) -> dict[str, Any]:
    """Limits, step and format of a number: a step is a power of ten below the default."""
    empty = {"value": None} if view.optional else {}  # only what may be left open can be cleared
    if view.kind == "int":
        return {
            "min_value": None if view.least is None else int(view.least),
            "max_value": None if view.most is None else int(view.most),
            "step": 1,
        } | empty
    size = abs(default) or min(view.most or 1.0, 1.0)
    return {
        "min_value": None if view.least is None else float(view.least),
        "max_value": None if view.most is None else float(view.most),
        "step": 10.0 ** math.floor(math.log10(size) - 0.5),
        "format": "%g",
    } | empty
