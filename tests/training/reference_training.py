"""A second, small implementation of training and evaluation, to hold the engine against.

Written from methods.md 1 and 2 and laid out differently on purpose: every session stands at the right end of a fixed number
of slots (as in the public code, but with correct masks), the table is read as a whole, every loss is written out, and all
of it is float64. It shares nothing with the engine but the names of the weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MASK = -1


@dataclass
class Row:
    """A session to learn from: what stands at each position (MASK: the mask token), and the items asked for, 0 = none."""

    inputs: list[int]
    targets: list[int]


class Reference:
    """weights: a state dict of an ID-only recommender, copied. One step of Adam a call of `step`."""

    def __init__(self, weights: dict[str, Tensor], backbone: str, slots: int, heads: int, learning_rate: float) -> None:
        self.weights = {name: value.double().clone().requires_grad_() for name, value in weights.items()}
        self.backbone, self.slots, self.heads = backbone, slots, heads
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=learning_rate)

    def step(self, rows: list[Row], loss: str, drawn: list[int]) -> float:
        """drawn: one negative for each item asked for, session by session, or those that all share (sampled)."""
        states = self.states([row.inputs for row in rows])
        items = self.items()
        terms = []
        for state, row in zip(states, rows, strict=True):
            for u, target in zip(state[self.slots - len(row.inputs) :], row.targets, strict=True):
                if target == 0:
                    continue
                scores = items @ u
                if loss == "ce":
                    terms.append(-(scores[target].exp() / scores[1:].exp().sum()).log())
                elif loss == "sampled":
                    others = sum(scores[item].exp() for item in drawn if item != target) * (len(items) - 1) / len(drawn)
                    terms.append(-(scores[target].exp() / (scores[target].exp() + others)).log())
                else:
                    negative = scores[drawn[len(terms)]]
                    if loss == "bce":
                        terms.append(-scores[target].sigmoid().log() - (1 - negative.sigmoid()).log())
                    else:
                        terms.append(-(scores[target] - negative).sigmoid().log())
        value = sum(terms) / len(terms)
        self.optimizer.zero_grad()
        value.backward()
        self.optimizer.step()
        return value.item()

    @torch.no_grad()
    def scores(self, session: list[int], reads: int) -> Tensor:
        """[n_items + 1] scores of every item as the next one."""
        kept = session[-reads:] + ([MASK] if self.backbone == "bert4rec" else [])
        return self.items() @ self.states([kept])[0, -1]

    def items(self) -> Tensor:
        weight = self.weights["items.embedding.weight"]
        return torch.cat([torch.zeros_like(weight[:1]), weight[1:]])

    def states(self, sessions: list[list[int]]) -> Tensor:
        """[B, slots, d], sessions at the right end."""
        ids = torch.tensor([[0] * (self.slots - len(session)) + session for session in sessions])
        x = self.items()[ids.clamp(min=0)]
        if self.backbone == "bert4rec":
            x = torch.where((ids == MASK).unsqueeze(2), self.weights["backbone.mask"], x)
        return self.recurrent(x, ids != 0) if self.backbone == "gru4rec" else self.attentive(x, ids != 0)

    def recurrent(self, x: Tensor, real: Tensor) -> Tensor:
        layer, w = 0, self.weights
        while f"backbone.gru.weight_ih_l{layer}" in w:
            h, states = torch.zeros_like(x[:, 0]), []
            for t in range(self.slots):
                from_x = (x[:, t] @ w[f"backbone.gru.weight_ih_l{layer}"].T).chunk(3, dim=1)
                from_h = (h @ w[f"backbone.gru.weight_hh_l{layer}"].T).chunk(3, dim=1)
                reset, update = (from_x[0] + from_h[0]).sigmoid(), (from_x[1] + from_h[1]).sigmoid()
                new = (1 - update) * (from_x[2] + reset * from_h[2]).tanh() + update * h
                h = torch.where(real[:, t : t + 1], new, h)
                states.append(h)
            x, layer = torch.stack(states, dim=1), layer + 1
        return x

    def attentive(self, x: Tensor, real: Tensor) -> Tensor:
        L, d = x.shape[1:]
        w, size = self.weights, d // self.heads
        position = (real.cumsum(dim=1) - 1).clamp(min=0)
        x = (x * math.sqrt(d) + w["backbone.positions.weight"][position]) * real.unsqueeze(2)
        visible = real[:, None, :] | torch.eye(L, dtype=torch.bool)  # a pad sees itself, and nobody sees it
        if self.backbone == "sasrec":
            visible = visible & torch.ones(L, L, dtype=torch.bool).tril()
        number = 0
        while f"backbone.blocks.{number}.query.weight" in w:
            part = {name.split(".", 3)[3]: value for name, value in w.items() if name.startswith(f"backbone.blocks.{number}.")}
            q = normed(x, part["query_norm.weight"], part["query_norm.bias"])
            keys, values = (x @ part["key_value.weight"].T + part["key_value.bias"]).split(d, dim=2)
            query = q @ part["query.weight"].T + part["query.bias"]
            mixed = []
            for head in range(self.heads):
                of = slice(head * size, (head + 1) * size)
                shares = query[..., of] @ keys[..., of].transpose(1, 2) / math.sqrt(size)
                shares = shares.masked_fill(~visible, -1e30).softmax(dim=2)
                mixed.append(shares @ values[..., of])
            attended = torch.cat(mixed, dim=2) @ part["output.weight"].T + part["output.bias"]
            h = normed(q + attended, part["forward_norm.weight"], part["forward_norm.bias"])
            inner = (h @ part["feed_forward.0.weight"].T + part["feed_forward.0.bias"]).clamp(min=0)
            x = (h + inner @ part["feed_forward.3.weight"].T + part["feed_forward.3.bias"]) * real.unsqueeze(2)
            number += 1
        return normed(x, w["backbone.norm.weight"], w["backbone.norm.bias"])


def normed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = x - x.mean(dim=2, keepdim=True)
    return centred / (centred.square().mean(dim=2, keepdim=True) + 1e-8).sqrt() * weight + bias


def ranking_metrics(scores: list[Tensor], histories: list[list[int]], targets: list[int], k: int) -> dict[str, float]:
    """HR, NDCG and MRR at k over all items that are not in the history; the target always competes."""
    sums = {"HR": 0.0, "NDCG": 0.0, "MRR": 0.0}
    for of_user, history, target in zip(scores, histories, targets, strict=True):
        rivals = [item for item in range(1, len(of_user)) if item != target and item not in history]
        rank = sum(1.0 for item in rivals if of_user[item] > of_user[target])
        rank += sum(0.5 for item in rivals if of_user[item] == of_user[target])
        if rank < k:
            sums["HR"] += 1
            sums["NDCG"] += 1 / math.log2(rank + 2)
            sums["MRR"] += 1 / (rank + 1)
    return {f"{name}@{k}": value / len(targets) for name, value in sums.items()}
