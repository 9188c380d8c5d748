"""A trained GenAIR run as a space that new items can be put into: bases, projector, item vectors (zero-shot cold start).

GenAIR's item vectors are a function of an item's representation (eq. 8), so that an item without a single interaction gets one
like all others: states → PCA bases of the catalogue → projector. Free vectors (`genair-id`) are zero for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genair_engine.archetypes.representation import Representation
from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError
from genair_engine.evaluation.protocol import Protocol, full_ranks, histories_before_test, leave_out, rank_targets
from genair_engine.methods.config import RunConfig
from genair_engine.methods.item_parts import ItemParts, PartOptions, part_options
from genair_engine.methods.recommender import TableRecommender
from genair_engine.methods.registry import rank_new_items
from genair_engine.store.tables import RepresentationRow
from genair_engine.types import IntArray, ItemArray, States
from genair_engine.verbs.representations.stored import load_with_bases
from genair_engine.verbs.training.load import load_model
from genair_engine.workspace import Workspace

SAMPLE_SEED = 0
"""Of the test users whose sessions are looked at."""


@dataclass(frozen=True, eq=False)
class ItemSpace:
    """A run made ready for new items; only reads, so that many callers can share it."""

    run: str
    dataset: Dataset
    method: str
    row: RepresentationRow
    parts: ItemParts
    options: PartOptions
    recommender: TableRecommender
    representation: Representation

    def vectors(self, states: States) -> Tensor:
        """[m, d] vectors of m items from their states, part -> [m, d_part]. Raises InputError, NonFiniteError."""
        rows = self.representation.project(states)
        read = self.parts.read(self.options, rows)
        return self.recommender.new_vectors(read)

    @torch.inference_mode()
    def place(self, vector: Tensor, session: list[int]) -> tuple[float, int]:
        """Score and rank (1 is the best; a tie counts half, rounded down) of a new item after a session, without its items."""
        scores = self.recommender.with_items(vector[None]).score(Sessions.from_lists([session]))
        target: ItemArray = np.array([self.dataset.n_items + 1], dtype=np.int32)
        wanted = leave_out(scores, target, np.array([session], dtype=np.int64))
        return float(wanted), 1 + int(full_ranks(scores, wanted)[0])

    def ranks(self, vector: Tensor, users: IntArray) -> npt.NDArray[np.float64]:
        """[m] rank from 0 of a new item after the histories of test users, which end before their test items."""
        targets: ItemArray = np.full(len(users), self.dataset.n_items + 1, dtype=np.int32)
        sessions = Sessions.of_users(histories_before_test(self.dataset), users)
        return rank_targets(self.recommender.with_items(vector[None]), self.dataset, sessions, targets, None, Protocol()).full

    def some_users(self, most: int) -> IntArray:
        """All evaluated users, or so many of them, drawn with a fixed seed."""
        users = self.dataset.split.users
        if len(users) <= most:
            return users
        return np.sort(np.random.default_rng(SAMPLE_SEED).choice(users, most, replace=False))

    @torch.inference_mode()
    def nearest(self, vector: Tensor, k: int) -> list[tuple[int, float]]:
        """The k items of the catalogue (1…n) whose vectors point the same way most, with the cosines, nearest first."""
        cosines = torch.nn.functional.cosine_similarity(self.recommender.table()[1:], vector[None])
        best = torch.topk(cosines, min(k, len(cosines)))
        return [(int(index) + 1, float(value)) for index, value in zip(best.indices, best.values, strict=True)]


def load(workspace: Workspace, run: str) -> ItemSpace:
    """`verbs.load_item_space`."""
    row, owner, model = load_model(workspace, run)
    config = RunConfig.stored(row.config)
    if not config.definition.tags.ranks_new_items or row.representation_id is None:
        raise InputError(
            f"Run {run!r} has free item vectors (method {row.method}): it cannot rank an item that it was not trained on. "
            f"Choose a run of method {' or '.join(rank_new_items())}."
        )
    with workspace.reading() as session:
        representation_row = session.get_one(RepresentationRow, row.representation_id)
    representation = load_with_bases(workspace, representation_row)
    parts = ItemParts(representation.vectors, representation_row.dims, representation_row.id)
    dataset = workspace.load_dataset(owner.name)
    return ItemSpace(
        run,
        dataset,
        row.method,
        representation_row,
        parts,
        part_options(config.options),
        TableRecommender(model),
        representation,
    )
