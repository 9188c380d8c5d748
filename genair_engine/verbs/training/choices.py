"""What a form of `train` or `sweep` shows for a choice of preset, backbone, method and loss: fields, defaults, groups, needs.

All of it is read from the registries: a new method's options, with their ranges and descriptions, need no word here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from genair_engine.losses.ranking.registry import LOSSES
from genair_engine.methods.backbones import BACKBONES
from genair_engine.methods.base import Method
from genair_engine.methods.config import NAMES, RunConfig, declared
from genair_engine.methods.presets import PRESETS
from genair_engine.methods.registry import METHODS
from genair_engine.methods.stages import TrainingOptions


@dataclass(frozen=True)
class Group:
    """Options that stand together in a form. kind: whose they are; title: its name."""

    kind: Literal["method", "backbone", "loss", "training"]
    title: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Choices:
    """What there is to choose for one combination.

    names: preset, backbone, method, loss → what there is of it. defaults: name → value where nothing is given, the four names
    included. fields: option → how it is declared. groups: in the order of a form. unread: options without effect,
    given the others.
    """

    method: Method[Any]
    names: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, Any]
    fields: Mapping[str, FieldInfo]
    groups: tuple[Group, ...]
    unread: frozenset[str]


def training_choices(given: Mapping[str, Any]) -> Choices:
    """For the names and options that are given; what does not fit the combination is ignored here (the request refuses it).

    Raises ValidationError for a preset, backbone, method or loss that does not exist.
    """
    names = {name: given[name] for name in NAMES if given.get(name) is not None}
    config = RunConfig.of(**names)
    backbone, loss = BACKBONES[names.get("backbone", next(iter(BACKBONES)))], LOSSES[config.loss or next(iter(LOSSES))]
    types = declared(backbone, config.definition, loss)
    fields = {name: options.model_fields[name] for name, options in types.items()}
    groups = (
        Group("method", config.method, tuple(config.definition.options.model_fields)),
        Group("backbone", backbone.name, tuple(backbone.options.model_fields)),
        Group("loss", f"Loss {loss.name}", tuple(loss.options.model_fields)),
        Group("training", "Training", tuple(TrainingOptions.model_fields)),
    )
    preset = PRESETS[config.preset]
    of_names = {"preset": next(iter(PRESETS)), "backbone": next(iter(BACKBONES)), "method": preset.method, "loss": preset.loss}
    values = config.values() | of_names
    known: dict[str, Mapping[str, Any]] = {"preset": PRESETS, "backbone": BACKBONES, "method": METHODS, "loss": LOSSES}
    return Choices(
        method=config.definition,
        names={name: tuple(entries) for name, entries in known.items()},
        defaults=values,
        fields=fields,
        groups=groups if config.backbone else groups[:1],
        unread=_unread(names, values, given, fields),
    )


def _unread(
    names: Mapping[str, Any], defaults: Mapping[str, Any], given: Mapping[str, Any], fields: Mapping[str, FieldInfo]
) -> frozenset[str]:
    """Options without effect; none is hidden while a value is wrong, so that it can be put right."""
    options = {name: value for name, value in given.items() if name in fields and value is not None}
    try:
        read = RunConfig.of(**names, **options).flat()
    except ValidationError:
        read = dict(defaults)
    return frozenset(fields.keys() - read.keys())
