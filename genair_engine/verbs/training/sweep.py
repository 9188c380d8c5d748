"""The verb `sweep`: grids, ablations, seeds and searches of hyperparameters, as one table.

Every cell is an ordinary run of `train`. A run of exactly a cell's configuration that is done is taken as it is, one that was
interrupted goes on: the same command again goes on with the sweep. Exactly means all that is read; what a method, backbone or
loss does not read (alpha with method id) counts for nothing. Rows are sorted by validation, never by test. What is asked and
answered is here, how it is done in `sweeping`, which needs torch.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from genair_engine.methods.config import RunConfig
from genair_engine.verbs.base import AsJob, Record, Result, Verb
from genair_engine.verbs.training.requests import TrainRequest

IN_COLUMNS = ("backbone", "method", "loss")
"""Settings that have a column of their own."""
COLUMNS = [
    (part, protocol, metric)
    for part in ("valid", "test")
    for protocol in ("full", "sampled")
    for metric in ("HR@10", "NDCG@10")
]


class SweepRequest(TrainRequest):
    """Train many configurations and seeds, and show them as one table."""

    seeds: list[int] = Field([], description="seeds, a run each for every configuration; by default that of --seed")
    backbones: list[str] = Field([], description="grid: backbones")
    methods: list[str] = Field([], description="grid: methods; those that need no representation get none")
    losses: list[str] = Field([], description="grid: ranking losses")
    alphas: list[float] = Field([], description="grid: weights of the calibration loss, for methods that calibrate")
    gammas: list[float] = Field([], description="grid: values of gamma, for methods that calibrate")
    ablations: list[str] = Field(
        [],
        description="variants to add, each without something: calibration, or a part of the representation (prefill, …); "
        "beside them --alphas and --gammas take one value each",
    )
    floors: bool = Field(False, description="add recommenders without training: popularity, neighbours, content similarity")
    trials: int = Field(0, ge=0, le=100_000, description="trials of a search of hyperparameters by validation NDCG@10 (TPE)")
    search: dict[str, str] = Field(
        {}, description="what a search may change, repeatable: alpha=0.0001:1:log, layers=1:3, 'heads=1|2|4' (quoted)"
    )

    @property
    def is_grid(self) -> bool:
        """Whether it stands for several configurations, each of which is checked when it is made."""
        several = (self.backbones, self.methods, self.losses, self.alphas, self.gammas, self.ablations, self.search)
        return any(several)


class Summary(Record):
    """Mean over seeds and standard deviation (n − 1 in the denominator; None for one seed)."""

    mean: float
    sd: float | None


class SweepRow(Record):
    """One configuration over its seeds, or one floor (then seeds, backbone and loss are empty).

    metrics: {part: {protocol: {"HR@10", "NDCG@10"}}}. variant: what sets it apart within the sweep. config: the whole
    configuration but the seed; with protocol and setting, how the numbers were obtained. best: the best by mean full-ranking
    NDCG@10 on validation items, of the rows that have all wanted seeds. failed: seeds that diverged. seconds_per_epoch: mean
    over runs.
    """

    backbone: str
    method: str
    loss: str
    variant: str
    protocol: str
    setting: str
    config: dict[str, Any]
    deviations: list[str]
    runs: list[str]
    seeds: list[int]
    best_epochs: list[int]
    seconds_per_epoch: float | None
    trainable_parameters: int | None
    metrics: dict[str, dict[str, dict[str, Summary]]]
    best: bool = False
    failed: list[str] = Field([])

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.backbone, self.method, self.loss) if part) + (
            f", {self.variant}" if self.variant else ""
        )

    def score(self, part: str) -> float:
        """Mean full-ranking NDCG@10, which rows are sorted by on validation items; below all others when nothing finished."""
        return self.metrics[part]["full"]["NDCG@10"].mean if self.metrics else -1.0


class SweepResult(Result):
    """The table, best validation first. representation: of the rows whose method takes one. device: what all runs were trained
    on. notes: what to know before quoting it.
    """

    dataset: str
    representation: str | None
    device: str
    rows: list[SweepRow]
    notes: list[str]

    def lines(self) -> list[str]:
        head = ["", "backbone", "method", "loss", "variant", "seeds", "epochs", "s/epoch", "parameters"]
        upper = [""] * len(head) + [f"{part} {protocol}" for part, protocol, _ in COLUMNS]
        cells = [upper, head + [metric for *_, metric in COLUMNS], *(_cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
        settings = [
            f"  {setting}: {'; '.join(row.name for row in self.rows if row.setting == setting)}."
            for setting in dict.fromkeys(row.setting for row in self.rows)
        ]
        protocols = [f"Protocol: {protocol}." for protocol in dict.fromkeys(row.protocol for row in self.rows) if protocol]
        deviations = [
            f"  {row.name}: not as in the paper: {'; '.join(row.deviations)}." for row in self.rows if row.deviations
        ]
        failed = [f"  {row.name}, {reason}" for row in self.rows for reason in row.failed]
        return [
            f"{self.dataset}: mean ± sd over seeds. Best first by NDCG@10 of full ranking on validation items, * the first "
            "that has all seeds.",
            *table,
            *self._configurations(),
            *protocols,
            *settings,
            *deviations,
            *failed,
            *self.notes,
        ]

    def _configurations(self) -> list[str]:
        """What all trained rows share in one line, without what is as `train` has it by default; then how each differs."""
        trained = [row for row in self.rows if row.backbone]
        if not trained:
            return []
        common = [name for name in trained[0].config if all(_same(row, trained[0], name) for row in trained)]
        shared = [f"{name} {trained[0].config[name]}" for name in common if name in _not_default(trained[0])]
        if self.representation:
            shared.insert(0, f"representation {self.representation} where the method takes one")
        shared.insert(0, f"device {self.device}")
        lines = [f"All trained rows: {', '.join(shared)}; all else that is not said as `train` has it by default."]
        for row in trained:
            disputed = {
                name for name in row.config if any(name in other.config and not _same(row, other, name) for other in trained)
            }
            own = [name for name in row.config if name not in common and name in disputed | _not_default(row)]
            own = [name for name in own if name not in IN_COLUMNS]
            lines += [f"  {row.name}: {', '.join(f'{name} {row.config[name]}' for name in own)}."] if own else []
        return lines


def _same(row: SweepRow, other: SweepRow, name: str) -> bool:
    """Whether two rows have the same value of an option, or neither has it."""
    return (name in row.config, row.config.get(name)) == (name in other.config, other.config.get(name))


def _not_default(row: SweepRow) -> set[str]:
    """What of a row's configuration is not as `train` has it by default for its backbone, method and loss."""
    default = RunConfig.of(**{name: row.config[name] for name in IN_COLUMNS}).values()
    return {name for name, value in row.config.items() if value != default[name]}


def _cells(row: SweepRow) -> list[str]:
    def shown(part: str, protocol: str, metric: str) -> str:
        values = next((value for name, value in row.metrics.get(part, {}).items() if name.startswith(protocol)), None)
        if values is None:
            return "–"
        sd = values[metric].sd
        return f"{values[metric].mean:.4f}" + ("" if sd is None else f" ± {sd:.4f}")

    return [
        "*" if row.best else "",
        row.backbone or "–",
        row.method,
        row.loss or "–",
        row.variant,
        str(len(row.seeds) or "–"),
        ", ".join(map(str, row.best_epochs)) or "–",
        "–" if row.seconds_per_epoch is None else f"{row.seconds_per_epoch:.2f}",
        "–" if row.trainable_parameters is None else f"{row.trainable_parameters:,}",
        *(shown(*column) for column in COLUMNS),
    ]


SWEEP = Verb(
    "sweep",
    SweepRequest,
    SweepResult,
    run="genair_engine.verbs.training.sweeping:sweep",
    role="write",
    audited=True,
    job=AsJob(lambda request: f"Sweep on {request.dataset}", check="genair_engine.verbs.training.grid:check"),
)
