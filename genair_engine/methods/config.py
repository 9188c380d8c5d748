"""The configuration of a run: backbone, method, loss and training, each with its own options, and only what is read.

What people write is flat: names and values (`RunConfig.of(backbone="gru4rec", alpha=0.2)`), and so is what a run stores
(`flat()`), since within a run a name has one meaning. What is not given is filled by the preset, then by the option's default.
A value that the chosen backbone, method and loss do not have is refused by name; one without effect, given the others (gamma
where alpha is 0), is left out of what is stored, so that two requests which train the same have the same key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from genair_engine.losses.ranking.registry import LOSSES, Loss
from genair_engine.methods.backbones import BACKBONES, BackboneEntry, BackboneOptions
from genair_engine.methods.base import BuildContext, Method
from genair_engine.methods.presets import PRESETS, Preset
from genair_engine.methods.registry import METHODS
from genair_engine.methods.stages import TrainingOptions
from genair_engine.options import Options

if TYPE_CHECKING:
    from genair_engine.catalog.dataset import Dataset

NAMES = ("preset", "backbone", "method", "loss")
"""What is chosen by name before anything else can be."""
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's result, besides the data set and the inputs.

    backbone and loss are None for methods that are not trained, which read nothing of model, ranking and training.
    """

    preset: str
    method: str
    options: Options
    backbone: str | None
    loss: str | None
    model: BackboneOptions
    ranking: Options
    training: TrainingOptions

    @classmethod
    def of(cls, **given: Any) -> RunConfig:
        """The configuration of flat values. Raises pydantic's ValidationError, which names the value that is wrong."""
        return _configuration(given, strict=True)

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> RunConfig:
        """The configuration of what a run has stored, whose unread values may have gone or still be there.

        Raises ValidationError for a name that no backbone, method or loss has, and for a wrong value.
        """
        return _configuration(dict(values), strict=False)

    def flat(self) -> dict[str, Any]:
        """Names and all values that are read, a JSON object; `stored` makes it a configuration again."""
        trained = {"backbone": self.backbone, "loss": self.loss} if self.backbone else {}
        values: dict[str, Any] = {"preset": self.preset, **trained, "method": self.method}
        for part in self._parts():
            values |= part.model_dump(exclude=part.unread())
        if not self.reads_residual_decay:
            values.pop("residual_decay", None)
        return values

    def values(self) -> dict[str, Any]:
        """As `flat`, with values that have no effect."""
        values = self.flat()
        for part in self._parts():
            values |= part.model_dump()
        return values

    def key(self) -> dict[str, Any]:
        """What decides the result: `flat` without the preset, which is only a way to say it."""
        return {name: value for name, value in self.flat().items() if name != "preset"}

    @property
    def reads_residual_decay(self) -> bool:
        return self.definition.tags.added_vectors or bool(getattr(self.model, "shortcut", False))

    @property
    def definition(self) -> Method[Any]:
        """The method itself."""
        return METHODS[self.method]

    @property
    def seed(self) -> int:
        return self.training.seed

    def departures(self, parts: Sequence[str] = ()) -> list[str]:
        """Where this is not what the method's source describes, in words: the public code's ways, and our extensions.

        parts: names of the item parts that the run's representation holds.
        """
        of_backbone = self.model.departures() if self.backbone else []
        return of_backbone + self.definition.departures(self.options, parts)

    def _parts(self) -> Iterator[Options]:
        yield self.options
        if self.backbone is not None:
            yield from (self.model, self.ranking, self.training)


def build_recommender(
    config: RunConfig, n_items: int, inputs: Mapping[str, Any] | None = None, fitted: Mapping[str, Any] | None = None
) -> Any:
    """The recommender of a configuration, untrained where it is trained. inputs: what its method needs, by role.

    fitted: what `fit` gave, of a method without training. Raises InputError where an input is missing or does not fit,
    NonFiniteError for a representation that is not finite.
    """
    context: BuildContext[Any] = BuildContext(
        n_items=n_items,
        options=config.options,
        inputs=inputs or {},
        dim=config.model.dim,
        backbone=partial(BACKBONES[config.backbone].build, config.model) if config.backbone else None,
        shortcut=config.model.dropout if getattr(config.model, "shortcut", False) else None,
        fitted=fitted or {},
    )
    return config.definition.build(context)


def fit(config: RunConfig, dataset: Dataset, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a method without training counts in the training part of a data set: arrays, to build its recommender from."""
    context: BuildContext[Any] = BuildContext(dataset.n_items, config.options, inputs, dataset=dataset)
    return config.definition.fit(context)


def declared(backbone: BackboneEntry, method: Method[Any], loss: Loss) -> dict[str, type[Options]]:
    """Name of every option of a combination → the options' type that declares it."""
    types = [method.options, *((backbone.options, loss.options, TrainingOptions) if method.tags.trained else ())]
    return {name: kind for kind in types for name in kind.model_fields}


def owners(name: str) -> list[str]:
    """Which backbones, methods and losses have an option, or whether it is the training's, in words."""
    of_backbones = [entry.name for entry in BACKBONES.values() if name in entry.options.model_fields]
    of_methods = [method.name for method in METHODS.values() if name in method.options.model_fields]
    of_losses = [f"loss {loss.name}" for loss in LOSSES.values() if name in loss.options.model_fields]
    of_training = ["every method that is trained"] if name in TrainingOptions.model_fields else []
    return of_backbones + of_methods + of_losses + of_training


def _configuration(given: dict[str, Any], strict: bool) -> RunConfig:
    preset = _entry(PRESETS, given, "preset", next(iter(PRESETS)))
    backbone = _entry(BACKBONES, given, "backbone", next(iter(BACKBONES)))
    method = _entry(METHODS, given, "method", preset.method)
    loss = _entry(LOSSES, given, "loss", preset.loss)
    names = declared(backbone, method, loss)
    values = {name: value for name, value in given.items() if name not in NAMES}
    strange = [name for name in values if name not in names]
    for name in strange:
        if strict or not (owners(name) or name in TrainingOptions.model_fields):
            raise _refused(name, values[name], backbone, method, loss)
    filled = {name: value for name, value in _of_preset(preset, backbone, method).items() if name in names} | values

    def options(kind: type[Options]) -> Any:
        return kind(**{name: value for name, value in filled.items() if name in kind.model_fields})

    return RunConfig(
        preset=preset.name,
        method=method.name,
        options=options(method.options),
        backbone=backbone.name if method.tags.trained else None,
        loss=loss.name if method.tags.trained else None,
        model=options(backbone.options),
        ranking=options(loss.options),
        training=options(TrainingOptions),
    )


def _of_preset(preset: Preset, backbone: BackboneEntry, method: Method[Any]) -> dict[str, Any]:
    """What a preset gives to a combination; what the combination does not have among it is the caller's to leave out."""
    return {
        **preset.values,
        **preset.of_backbone.get(backbone.name, {}),
        **backbone.presets.get(preset.name, {}),
        **method.presets.get(preset.name, {}),
    }


def _entry(registry: Mapping[str, Entry], given: Mapping[str, Any], name: str, default: str) -> Entry:
    asked = given.get(name, default)
    if not isinstance(asked, str) or asked not in registry:
        raise _invalid(name, asked, f"there is no {name} {asked!r}: give {', '.join(registry)}")
    return registry[asked]


def _refused(name: str, value: Any, backbone: BackboneEntry, method: Method[Any], loss: Loss) -> ValidationError:
    of = owners(name)
    chosen = f"method {method.name}"
    if method.tags.trained:
        chosen = f"backbone {backbone.name}, {chosen} and loss {loss.name}"
    if of:
        return _invalid(name, value, f"{name} is an option of {', '.join(of)}, and not of {chosen}: leave it out")
    return _invalid(name, value, f"there is no option {name}")


def _invalid(name: str, value: Any, message: str) -> ValidationError:
    error = PydanticCustomError("value_error", "{message}", {"message": message})  # braces in data are not a template's
    return ValidationError.from_exception_data("RunConfig", [InitErrorDetails(type=error, loc=(name,), input=value)])
