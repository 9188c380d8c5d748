"""A baseline with the cost structure of the paper's public code, to be timed in the same run as ours.

A reconstruction from its description (methods.md 2.1 and 3.5), not its code: every batch is 200 positions wide, inputs,
positives and negatives are projected position by position, and the calibration builds an n × n × d tensor over all positive
targets of the batch (with duplicates) and looks every pair up in a Python dictionary. What it learns is not compared here,
only what a step costs.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genair_engine.catalog.dataset import Dataset
from genair_engine.losses.extra.association import Association

WIDTH = 200
HIDDEN = 128


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(HIDDEN), nn.LayerNorm(HIDDEN)
        self.attention = nn.MultiheadAttention(HIDDEN, 1, 0.5, batch_first=True)
        self.inner, self.outer = nn.Conv1d(HIDDEN, HIDDEN, 1), nn.Conv1d(HIDDEN, HIDDEN, 1)

    def forward(self, x: Tensor) -> Tensor:
        q = self.first(x)
        h = self.second(q + self.attention(q, x, x)[0])
        inner = F.relu(F.dropout(self.inner(h.transpose(1, 2)), 0.5))
        return h + F.dropout(self.outer(inner), 0.5).transpose(1, 2)


class PublicCodeShape(nn.Module):
    """Two blocks, or one GRU, over fixed-width batches with a projector on every position."""

    def __init__(self, representation: Tensor, dataset: Dataset, calibrated: bool, backbone: str = "sasrec") -> None:
        super().__init__()
        self.backbone = backbone
        padded = torch.cat([torch.zeros(1, representation.shape[1]), representation])
        self.items = nn.Embedding.from_pretrained(padded, freeze=True)
        width = representation.shape[1]
        self.projector = nn.Sequential(nn.Linear(width, 256), nn.LayerNorm(256), nn.GELU(), nn.Linear(256, HIDDEN))
        self.positions = nn.Embedding(WIDTH + 1, HIDDEN)
        self.blocks = nn.ModuleList([Block(), Block()] if backbone != "gru4rec" else [])
        self.gru = nn.GRU(HIDDEN, HIDDEN, bias=False, batch_first=True)
        self.norm = nn.LayerNorm(HIDDEN)
        scores = Association(dataset.split.train, dataset.n_items).scores.tocoo() if calibrated else None
        self.pairs = (
            dict(zip(zip(scores.row.tolist(), scores.col.tolist(), strict=True), scores.data.tolist(), strict=True))
            if scores is not None
            else None
        )

    def loss(self, inputs: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        x = self.projector(self.items(inputs))
        if self.backbone == "gru4rec":
            states, inputs, positives, negatives = self.gru(x)[0][:, -1:], inputs[:, -1:], positives[:, -1:], negatives[:, -1:]
        else:
            x = F.dropout(x * HIDDEN**0.5 + self.positions.weight[:WIDTH], 0.5) * (inputs != 0).unsqueeze(2)
            for block in self.blocks:
                x = block(x) * (inputs != 0).unsqueeze(2)
            states = self.norm(x)
        real = positives != 0
        up = (states * self.projector(self.items(positives))).sum(2)[real]
        down = (states * self.projector(self.items(negatives))).sum(2)[real]
        rank = F.softplus(-up).mean() + F.softplus(down).mean()
        return rank if self.pairs is None else rank + 1e-4 * self.calibration(positives[real])

    def calibration(self, targets: Tensor) -> Tensor:
        assert self.pairs is not None
        unit = F.normalize(self.projector(self.items(targets)), dim=1)
        distance = ((unit[:, None] - unit[None]) ** 2).sum(2)
        weights = torch.ones(len(targets), len(targets))
        ids = targets.tolist()
        for a, b in itertools.combinations(range(len(ids)), 2):
            score = self.pairs.get((ids[a], ids[b]), 0.0)
            if score:
                weights[a, b] = weights[b, a] = float(np.exp(-4 * score))
        return -(weights * distance).mean()


def batches(dataset: Dataset, count: int, seed: int = 0, cloze: bool = False) -> list[tuple[Tensor, Tensor, Tensor]]:
    """`count` random batches of 128 users, left-padded to 200 positions: inputs, positives, negatives.

    cloze: six in ten items are predicted where they stand, as in half of BERT4Rec's batches; the other half hides one.
    """
    random = np.random.default_rng(seed)
    train = dataset.split.train
    prepared = []
    for users in random.permutation(np.flatnonzero(train.lengths >= 2))[: count * 128].reshape(count, 128):
        rows = np.zeros((128, WIDTH + 1), dtype=np.int64)
        for row, user in enumerate(users):
            kept = train[user][-WIDTH - 1 :]
            rows[row, WIDTH + 1 - len(kept) :] = kept
        if cloze:
            rows[:, :-1] = rows[:, 1:]
            hidden = (random.random(rows[:, 1:].shape) < 0.6) if len(prepared) % 2 else np.arange(WIDTH) == WIDTH - 1
            positives = rows[:, 1:] * hidden
        else:
            positives = rows[:, 1:] * (rows[:, :-1] != 0)
        negatives = random.integers(1, dataset.n_items + 1, positives.shape)
        prepared.append(tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in (rows[:, :-1], positives, negatives)))
    return prepared
