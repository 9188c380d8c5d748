"""The registry of methods and backbones. A method is an item table plus whether its vectors are calibrated.

`build_recommender` is the only place that assembles a model from its configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from torch import Tensor

from genair_engine.errors import InputError
from genair_engine.methods.config import METHOD_FACTS, MethodFacts, ModelConfig
from genair_engine.methods.recommender import SequenceRecommender
from genair_engine.models import BERT4Rec, GRU4Rec, IdItems, ItemTable, ProjectedItems, ResidualItems, SASRec
from genair_engine.models.backbone import Backbone
from genair_engine.models.items import leading_components


@dataclass(frozen=True)
class Method(MethodFacts):
    """How a method makes item vectors.

    items: (n_items, configuration, representation [n_items, D] or None) → ItemTable.
    """

    items: Callable[[int, ModelConfig, Tensor | None], ItemTable]


def _given(representation: Tensor | None, n_items: int) -> Tensor:
    if representation is None:
        raise InputError("This method needs an item representation: make one with `represent`, and name it.")
    if len(representation) != n_items:
        raise InputError(f"The representation has {len(representation)} rows for {n_items} items.")
    return representation


_ITEMS: dict[str, Callable[[int, ModelConfig, Tensor | None], ItemTable]] = {
    "genair": lambda n_items, c, rows: ProjectedItems(_given(rows, n_items), c.dim, c.projector_dropout),
    "genair-id": lambda n_items, c, rows: ResidualItems(_given(rows, n_items), c.dim, c.projector_dropout),
    "llminit": lambda n_items, c, rows: IdItems(n_items, c.dim, leading_components(_given(rows, n_items), c.dim)),
    "id": lambda n_items, c, _: IdItems(n_items, c.dim),
}
METHODS = {name: Method(**asdict(facts), items=_ITEMS[name]) for name, facts in METHOD_FACTS.items()}

BACKBONES: dict[str, Callable[[ModelConfig], Backbone]] = {
    "sasrec": lambda c: SASRec(c.dim, c.max_len, c.layers, c.heads, c.dropout, c.public_code_attention),
    "bert4rec": lambda c: BERT4Rec(c.dim, c.max_len, c.layers, c.heads, c.dropout, c.public_code_attention),
    "gru4rec": lambda c: GRU4Rec(c.dim, c.max_len, c.layers, c.dropout),
}


def build_recommender(config: ModelConfig, n_items: int, representation: Tensor | None = None) -> SequenceRecommender:
    """The untrained model of a configuration. representation: [n_items, D], for methods that need one.

    Raises InputError where the parts do not fit, NonFiniteError for a representation that is not finite.
    """
    items = METHODS[config.method].items(n_items, config, representation)
    return SequenceRecommender(items, BACKBONES[config.backbone](config), config.dropout if config.shortcut else None)
