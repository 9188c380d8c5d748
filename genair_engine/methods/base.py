"""What a method is: one file in this folder that says what it is for, what it needs, how it is built, trained and named.

Nothing outside this folder asks for a method by its name. Who wants to know what a run can do (rank a new item, say, or be
exported with a fixed item table) asks the method's tags; forms, the command line and the documentation read its typed options;
the trainer asks it for stages, extra losses and a hook an epoch. Importing a method's file loads no torch: what needs it is
imported when a model is built.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from genair_engine.errors import InputError
from genair_engine.methods.item_parts import ItemParts, PartOptions
from genair_engine.methods.stages import Stage, TrainingOptions
from genair_engine.options import Options

if TYPE_CHECKING:
    import torch
    from torch import nn

    from genair_engine.catalog.dataset import Dataset
    from genair_engine.losses.base import ExtraLoss
    from genair_engine.methods.recommender import SequenceRecommender
    from genair_engine.models.backbone import Backbone
    from genair_engine.models.batch import Batches
    from genair_engine.models.items import ItemTable

Unit = Literal["item", "user", "session"]
InputKind = Literal["representation", "texts", "run"]
Presets = Mapping[str, Mapping[str, Any]]
"""A name → values of options."""
O = TypeVar("O", bound=Options)  # noqa: E741 - the options of a method
O_co = TypeVar("O_co", bound=Options, covariant=True)


@dataclass(frozen=True)
class Source:
    """Where a method comes from. kind: paper; ours = an extension or a plain baseline of ours; reconstruction = built from an
    abstract or a review without public code, and called so wherever it is shown. citation: "" for what everybody knows."""

    kind: Literal["paper", "ours", "reconstruction"]
    citation: str = ""


@dataclass(frozen=True)
class Need:
    """An input that must be given before a run can begin. role: what it is in the run; the request names it by that.

    kind: representation (item vectors, or a part of another unit), texts (a text set), run (another finished run).
    purpose: in words, for errors and forms. method: for kind run, the method that it must be of; any where None.
    """

    role: str
    kind: InputKind
    purpose: str
    unit: Unit = "item"
    method: str | None = None
    optional: bool = False


ITEM_PARTS = Need("representation", "representation", "item vectors: make them with `represent`")
"""The need of every method that reads the items' representation."""


@dataclass(frozen=True)
class Tags:
    """What can be done with a method's recommenders; asked instead of names and classes.

    trained: it learns by epochs, on a backbone. ranks_new_items: an item's vector is a function of its representation, so that
    an item without interactions has one too. calibrated: it has the calibration loss. reads_users: a known user changes the
    answer. dot_product: scores are state · item vector. fixed_table: backbone and a stored item table are the whole model, so
    that it can be exported. added_vectors: it adds free vectors that start at zero to item vectors, with a weight decay of
    their own (`residual_decay`). floor: needs no training, and every table of results shows it for comparison.
    """

    trained: bool = True
    ranks_new_items: bool = False
    calibrated: bool = False
    reads_users: bool = False
    dot_product: bool = True
    fixed_table: bool = True
    added_vectors: bool = False
    floor: bool = False


FLOOR = Tags(trained=False, dot_product=False, fixed_table=False, floor=True)


@dataclass(frozen=True, eq=False)
class BuildContext(Generic[O]):
    """What a recommender is built from. inputs: role of a need → what was loaded for it.

    backbone: makes the run's backbone, of width `dim` or another. shortcut: dropout of a shortcut that the backbone's options
    ask for (`methods.recommender.Shortcut`), or None. Of methods without training: dataset, for `Method.fit`; fitted, what
    `Method.fit` gave, now or when the run was stored.
    """

    n_items: int
    options: O
    inputs: Mapping[str, Any] = field(default_factory=dict)
    dim: int = 0
    backbone: Callable[[], Backbone] | None = None
    shortcut: float | None = None
    dataset: Dataset | None = None
    fitted: Mapping[str, Any] = field(default_factory=dict)

    def input(self, role: str) -> Any:
        """The input of a role. Raises InputError where it was not given."""
        if role not in self.inputs:
            raise InputError(f"The input {role!r} is needed and was not given.")
        return self.inputs[role]

    def training_data(self) -> Dataset:
        """The data set, for what is counted in its training part. Raises InputError where it was not given."""
        if self.dataset is None:
            raise InputError("This method counts in the training part of a data set, and none was given.")
        return self.dataset

    def item_vectors(self) -> torch.Tensor:
        """[n_items, D] what is read of the items' representation. Raises InputError where it is missing or does not fit."""
        import torch

        parts = self.inputs.get(ITEM_PARTS.role)
        if not isinstance(parts, ItemParts) or not isinstance(self.options, PartOptions):
            raise InputError("This method needs an item representation: make one with `represent`, and name it.")
        if len(parts.vectors) != self.n_items:
            raise InputError(f"The representation has {len(parts.vectors)} rows for {self.n_items} items.")
        return torch.from_numpy(parts.read(self.options))

    def sequence_recommender(self, items: ItemTable) -> SequenceRecommender:
        """The run's backbone over these item vectors, with a shortcut where the backbone's options ask for one."""
        from genair_engine.methods.recommender import SequenceRecommender

        if self.backbone is None:
            raise InputError("This method needs a backbone.")
        return SequenceRecommender(items, self.backbone(), self.shortcut)


@dataclass(frozen=True, eq=False)
class TrainContext(Generic[O_co]):
    """What stages, extra losses and hooks see: the model in training, and what it is trained on."""

    model: SequenceRecommender
    dataset: Dataset
    options: O_co
    device: torch.device
    inputs: Mapping[str, Any] = field(default_factory=dict)


class Method(ABC, Generic[O]):
    """One method. Stateless: the one instance in the registry serves all runs."""

    name: ClassVar[str]
    purpose: ClassVar[str]
    source: ClassVar[Source]
    options: type[O]
    """The type of its options. No field has the name of one of the backbones', the losses' or the training's options."""
    needs: ClassVar[tuple[Need, ...]] = ()
    tags: ClassVar[Tags] = Tags()
    presets: ClassVar[Presets] = {}
    """Name of a preset → the method's options that it gives, for fields that are not given."""
    ablations: ClassVar[Presets] = {}
    """What a sweep may leave out of the method: its name → the options that leave it out."""

    def fit(self, context: BuildContext[O]) -> dict[str, Any]:  # noqa: ARG002 - most have nothing to count
        """Of a method without training: the arrays that its recommender is built from, by name; stored with the run."""
        return {}

    @abstractmethod
    def build(self, context: BuildContext[O]) -> Any:
        """The recommender, untrained where the method is trained. Raises InputError where inputs do not fit."""

    def stages(self, options: O, training: TrainingOptions) -> Sequence[Stage]:  # noqa: ARG002 - most have one
        """The stages of training in their order; by default one, as the training options say."""
        return (Stage.main(training),)

    def batches(self, context: TrainContext[O], stage: Stage) -> Batches | None:  # noqa: ARG002
        """The batches of a stage; None = those of the backbone's task."""
        return None

    def losses(self, context: TrainContext[O], stage: Stage) -> Sequence[ExtraLoss]:  # noqa: ARG002
        """Losses beside the ranking loss in a stage, such as calibration or a teacher's."""
        return ()

    def trained(self, context: TrainContext[O], stage: Stage) -> Sequence[nn.Parameter]:  # noqa: ARG002
        """The model's parameters that a stage changes; by default all that take a gradient."""
        return [parameter for parameter in context.model.parameters() if parameter.requires_grad]

    def before_epoch(self, context: TrainContext[O], stage: Stage, epoch: int) -> None:
        """Called without gradients before an epoch (from 1, counted over all stages); may change the model's weights."""

    def departures(self, options: O, parts: Sequence[str] = ()) -> list[str]:  # noqa: ARG002 - most read no representation
        """Where a run with these options is not what its source describes, in words, shown wherever the run is.

        parts: names of the item parts that its representation holds.
        """
        return options.departures()
