"""The options of every backbone, method, loss and of the training as fields of one flat request.

A request cannot know which method will be named in it, so that it has the options of all, none of them required: what is given
is checked against the chosen combination by `RunConfig.of`, which also fills in the rest. A new method's options appear here,
and so in the command line, the form, the API and the documentation, by being registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model

from genair_engine.losses.ranking.registry import LOSSES
from genair_engine.methods.backbones import BACKBONES
from genair_engine.methods.config import RunConfig
from genair_engine.methods.presets import PRESETS
from genair_engine.methods.registry import METHODS
from genair_engine.methods.stages import TrainingOptions
from genair_engine.options import Options


def option_types() -> dict[str, type[Options]]:
    """Whose options they are, in words → their type; "" for those that every trained run has."""
    return {
        "": TrainingOptions,
        **{name: backbone.options for name, backbone in BACKBONES.items()},
        **{name: method.options for name, method in METHODS.items()},
        **{f"loss {name}": loss.options for name, loss in LOSSES.items()},
    }


def option_fields() -> dict[str, Any]:
    """Name of every option → its field: optional, with its range, and with whose it is and its defaults for the help."""
    declared: dict[str, dict[str, Any]] = {}
    for owner, options in option_types().items():
        for name, field in options.model_fields.items():
            declared.setdefault(name, {})[owner] = field
    return {name: _field(fields) for name, fields in declared.items()}


def name_fields() -> dict[str, Any]:
    """The choices that decide which options there are."""
    return {
        "preset": _choice(PRESETS, "defaults for what is not given: ", next(iter(PRESETS))),
        "backbone": _choice(BACKBONES, "sequence model that reads the item vectors: ", next(iter(BACKBONES))),
        "method": _choice(METHODS, "where item vectors come from, by default the preset's: ", None),
        "loss": _choice(LOSSES, "ranking loss, by default the preset's: ", None),
    }


def _field(fields: Mapping[str, Any]) -> tuple[Any, Any]:
    """One field for an option that one or several types declare."""
    first = next(iter(fields.values()))
    alike = all((field.annotation, field.metadata) == (first.annotation, first.metadata) for field in fields.values())
    annotation: Any = first.annotation
    for field in fields.values():
        annotation |= field.annotation
    descriptions = dict.fromkeys(str(field.description) for field in fields.values())
    extra: dict[str, Any] = {"of": [owner for owner in fields if owner], "default": _defaults(fields)}
    described = Field(None, description="; ".join(descriptions), json_schema_extra=extra)
    return Annotated[annotation | None, *(first.metadata if alike else ()), described], None


def _defaults(fields: Mapping[str, Any]) -> str:
    """The defaults in words: one value where all agree, else each with whose it is."""
    values = {owner: field.default for owner, field in fields.items()}
    first = next(iter(values.values()))
    if all(value == first for value in values.values()):
        return "" if first is None else str(first)
    return ", ".join(f"{value} ({owner})" for owner, value in values.items() if value is not None)


def _choice(entries: Mapping[str, Any], purpose: str, default: str | None) -> tuple[Any, Any]:
    described = purpose + ", ".join(f"{name} = {entry.purpose}" for name, entry in entries.items())
    names = Literal[tuple(entries)]  # type: ignore[valid-type]
    return Annotated[names if default else names | None, Field(default, description=described)], default


def given_options(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those of some names that have a value."""
    return {name: values[name] for name in names if values.get(name) is not None}


if TYPE_CHECKING:

    class ConfigFields(Options):
        """Every name and option of a run's configuration, as `name_fields` and `option_fields` have them."""

        preset: str = ""
        backbone: str = ""
        method: str | None = None
        loss: str | None = None
        seed: int | None = None

        def config(self) -> RunConfig: ...

else:

    class _Configured(Options):
        def config(self) -> RunConfig:
            """The configuration that the given values make. Raises ValidationError, which names the value that is wrong."""
            names = self.model_fields_set & _CONFIG_NAMES
            return RunConfig.of(**given_options(self.__dict__, names))

    ConfigFields = create_model("ConfigFields", __base__=_Configured, **name_fields(), **option_fields())
    ConfigFields.__doc__ = "Every name and option of a run's configuration; what is not given is the preset's or the default."
    _CONFIG_NAMES = frozenset(ConfigFields.model_fields)
