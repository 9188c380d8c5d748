"""What is told of a run: its configuration, how it was trained, and its metrics, as JSON and for a terminal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from genair_engine.verbs.base import Result


class RunResult(Result):
    """A run with its metrics: metrics.{valid,test}.{full,sampled100}.{HR,NDCG,MRR}@{1,5,10,20,50}.

    Beside the protocols, metrics.{valid,test} holds "groups" ({popularity,history} → protocol → group → users and metrics)
    and "beyond" (coverage, novelty, popularity of the top 10); runs of earlier versions have neither.
    deviations: in words, where configuration and representation are not the paper's (`deviations_of`). efficiency: FLOPs (a
    multiply-add is 2) of scoring one session of `length` items (`session`) and of computing the item table (`table`).
    peak_memory_mb: largest resident memory of the process while it trained (GPU memory on a GPU). seconds_per_epoch:
    median over epochs, validation not counted. protocol, config and representation say how the numbers were obtained.
    """

    run: str
    dataset: str
    representation: str | None
    state: str
    config: dict[str, Any]
    deviations: list[str]
    protocol: dict[str, Any]
    device: str
    trainable_parameters: int
    efficiency: dict[str, int]
    epochs: int
    best_epoch: int
    seconds_per_epoch: float
    peak_memory_mb: float
    metrics: dict[str, dict[str, Any]]
    created_at: datetime

    def lines(self) -> list[str]:
        table = [
            f"  {part:5} {protocol:10} " + "  ".join(f"{name} {values[name]:.4f}" for name in ("HR@10", "NDCG@10", "MRR@10"))
            for part, protocols in self.metrics.items()
            for protocol, values in protocols.items()
            if is_protocol(protocol)
        ]
        return [
            f"Run {self.run} on {self.dataset}: {self._what()}.",
            *self._departures(),
            *table,
            *self._beyond(),
            *self._costs(),
            *self._inference(),
            f"  Protocol: {protocol_in_words(self.protocol)}.",
        ]

    def _what(self) -> str:
        config = self.config
        if "backbone" not in config:
            return f"{config['method']}, not trained"
        return (
            f"{config['backbone']} with {config['method']}, loss {config['loss']}, seed {config['seed']}; best of "
            f"{self.epochs} epochs: {self.best_epoch}"
        )

    def _costs(self) -> list[str]:
        if "backbone" not in self.config:
            return []
        return [
            f"  {self.trainable_parameters:,} trainable parameters, {self.seconds_per_epoch:.2f} s an epoch, peak memory "
            f"{self.peak_memory_mb:,.0f} MB on {self.device}."
        ]

    def _departures(self) -> list[str]:
        if not self.deviations:
            return []
        return [f"  Preset {self.config.get('preset', 'corrected')}, not as in the paper: {'; '.join(self.deviations)}."]

    def _beyond(self) -> list[str]:
        beyond = self.metrics.get("test", {}).get("beyond")
        return ["  test  top 10     " + "  ".join(f"{name} {value:.4f}" for name, value in beyond.items())] if beyond else []

    def _inference(self) -> list[str]:
        if not self.efficiency:
            return []
        return [
            f"  Inference: {self.efficiency['session'] / 1e6:,.2f} MFLOPs for a session of {self.efficiency['length']} items "
            f"against the whole catalogue, {self.efficiency['table'] / 1e6:,.2f} MFLOPs once for the item table (a "
            "multiply-add is 2 FLOPs)."
        ]


def protocol_in_words(protocol: dict[str, Any]) -> str:
    """How ranks were obtained, for a line beside the numbers."""
    return (
        f"{protocol['split']}, full ranking {'without' if protocol['exclude_seen'] else 'with'} seen items, "
        f"{protocol['negatives']} negatives a user drawn once (seed {protocol['negatives_seed']}), ties count half"
    )


def is_protocol(name: str) -> bool:
    """Whether this key of a part's metrics is an evaluation protocol: "full" or "sampled100"."""
    return name == "full" or name.startswith("sampled")
