"""The verb `coldstart`: how well items that training never saw are recommended, beside what needs no training.

A share of the items is hidden (`evaluation.coldstart`), GenAIR is trained on what is left, PCA bases included, and hidden
items then get their vectors as any new item does: stored bases, projector. Asked for are the held-out interactions with hidden
items, ranked among all items, known and hidden. Nothing is kept but the result. How it is done is in `hidden_items`.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from genair_engine.verbs.base import AsJob, Record, Result, Verb
from genair_engine.verbs.training.requests import TrainRequest

SHOWN = ("HR@10", "NDCG@10", "HR@50")


class ColdStartRequest(TrainRequest):
    """Hide items from training and measure how they are recommended."""

    share: float = Field(0.1, gt=0, lt=1, description="share of the items that is hidden")
    hide_seed: int = Field(42, ge=0, le=2**31 - 1, description="seed that draws the hidden items")


class ColdStartRow(Record):
    """How one recommender does. cold: {part: {metric: value}} of targets that are hidden, among all items; among_hidden: the
    same among hidden items only; warm: of test items that are known, among all items. purpose: what it is, and why it fails
    where it must.
    """

    method: str
    purpose: str
    cold: dict[str, dict[str, float]]
    among_hidden: dict[str, dict[str, float]]
    warm: dict[str, float]


class ColdStartResult(Result):
    """cases: held-out interactions with hidden items, by part of the split; dropped: those without any history.

    dims: columns a part, of the bases that were fitted on the known items. protocol: how ranks were obtained.
    """

    dataset: str
    content_hash: str
    representation: str
    model: str
    config: dict[str, Any]
    deviations: list[str]
    share: float
    hide_seed: int
    items: int
    hidden: int
    cases: dict[str, int]
    dropped: int
    dims: dict[str, int]
    epochs: int
    best_epoch: int
    seconds: float
    device: str
    protocol: str
    code_version: str
    rows: list[ColdStartRow]

    def lines(self) -> list[str]:
        names = ["", *(f"{part} {name}" for part in self.cases for name in SHOWN), "hidden only, test HR@10", "warm NDCG@10"]
        table = [names]
        for row in self.rows:
            cold = [_cell(row.cold.get(part, {}), name) for part in self.cases for name in SHOWN]
            among = _cell(row.among_hidden.get("test", {}), "HR@10")
            table.append([row.method, *cold, among, _cell(row.warm, "NDCG@10")])
        widths = [max(len(line[column]) for line in table) for column in range(len(names))]
        cases = ", ".join(f"{count:,} {part}" for part, count in self.cases.items())
        return [
            f"{self.dataset}: {self.hidden:,} of {self.items:,} items hidden (share {self.share}, seed {self.hide_seed}); "
            f"{cases} interactions with them ({self.dropped:,} more without a history).",
            *(
                "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                for line in table
            ),
            *(f"  {row.method}: {row.purpose}." for row in self.rows),
            f"  {self.config['backbone']} with {self.config['method']} on {self.representation}, best of {self.epochs} "
            f"epochs: {self.best_epoch}, {self.seconds:.0f} s on {self.device}, training seed {self.config['seed']}.",
            *([f"  Not as in the paper: {'; '.join(self.deviations)}."] if self.deviations else []),
            f"  Protocol: {self.protocol}.",
        ]


def _cell(values: dict[str, float], name: str) -> str:
    return f"{values[name]:.4f}" if name in values else "–"


def title(request: ColdStartRequest) -> str:
    return f"Cold start of {request.share:.0%} of {request.dataset}, {request.backbone} with {request.method}"


COLDSTART = Verb(
    "coldstart",
    ColdStartRequest,
    ColdStartResult,
    run="genair_engine.verbs.evaluation.hidden_items:coldstart",
    role="write",
    job=AsJob(title, check="genair_engine.verbs.evaluation.checks:check_coldstart"),
)
