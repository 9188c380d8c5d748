"""A language model whose texts are written on all machines of the cluster, with Ray Data."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from genair_engine.archetypes.backends import Completion, Failure, LanguageModel, Sampling, Work, Written
from genair_engine.archetypes.hub import Progress, silent
from genair_engine.archetypes.loading import loader, open_language_model
from genair_engine.cluster.connection import connect, cpus, importable, placed, portable, readable_errors
from genair_engine.errors import GenairError, ModelError
from genair_engine.settings import Settings

BATCHES_A_BLOCK = 4
"""Batches of texts that come back together: few, so that machines finish together and an interruption loses little."""


def language_model(
    settings: Settings, name: str, device: str, reader: str | None = None, progress: Progress = silent
) -> LanguageModel:
    """The language model of that name on this machine, or on the cluster. reader: as for `open_language_model`.

    Raises ModelError, InputError, OutageError.
    """
    if settings.ray_address is None:
        return open_language_model(settings, name, reader, loader(settings, device, progress))
    return ClusterModel(settings, name, device, reader)


class ClusterModel(LanguageModel):
    """Writes on all GPUs of the cluster, or else on its CPUs, with a copy of the model on each.

    What it is, one of the machines tells first: neither weights nor a GPU are needed where this object lives.
    """

    def __init__(self, settings: Settings, name: str, device: str, reader: str | None = None) -> None:
        self._settings, self._name, self._reader = settings, name, reader
        self._device, self._gpus = placed(settings, device)
        ray = connect(settings)
        ask = ray.remote(_describe).options(num_gpus=min(self._gpus, 1), num_cpus=cpus(settings))
        with readable_errors(ray):
            description = ray.get(ask.remote(settings, name, self._device, reader))
        for field, value in description.items():
            setattr(self, field, value)

    def answer(self, work: Work) -> Iterator[list[tuple[int, Written]]]:
        """Blocks of (index, completion or failure) as the machines finish them, the longest prompts first.

        Raises as a model on this machine, and OutageError where the cluster fails.
        """
        if not work.prompts:
            return
        ray, data = connect(self._settings), importable("ray.data")
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        context = data.DataContext.get_current()
        context.enable_progress_bars, context.raise_original_map_exception = False, True
        order = sorted(range(len(work.prompts)), key=lambda index: -len(work.prompts[index]))
        rows = [{"index": i, "prompt": work.prompts[i], "seed": work.seeds[i], "name": work.labels[i]} for i in order]
        at_once = self._gpus or max(1, int(ray.cluster_resources().get("CPU", 1)) // cpus(self._settings))
        batches = -(-len(rows) // work.batch_size)
        blocks = max(min(at_once, batches), -(-len(rows) // (work.batch_size * BATCHES_A_BLOCK)))
        # A pool of a fixed size begins with its first actor; one that grows would wait for longer queues than these.
        pool = data.ActorPoolStrategy(size=min(at_once, blocks), max_tasks_in_flight_per_actor=1)
        written = data.from_items(rows, override_num_blocks=blocks).map_batches(
            _Writer,
            batch_size=None,  # a whole block
            fn_constructor_args=(
                *(self._settings, self._name, self._device, self._reader),
                *(self.revision, work.sampling, work.batch_size),
            ),
            compute=pool,
            num_gpus=min(self._gpus, 1),
            num_cpus=cpus(self._settings),
        )
        finished = iter(written.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"))
        with readable_errors(ray), closing(finished):
            for block in finished:
                yield [_pair(block, row) for row in range(len(block["index"]))]


_DESCRIPTION = ("model_id", "revision", "dim", "backend", "precision", "device", "provenance")


def _describe(settings: Settings, name: str, device: str, reader: str | None) -> dict[str, Any]:
    """On a machine of the cluster: what the model is there, by the attributes of `LanguageModel`."""
    model = _load(settings, name, device, reader)
    return {field: getattr(model, field) for field in _DESCRIPTION}


def _load(settings: Settings, name: str, device: str, reader: str | None) -> LanguageModel:
    try:
        return open_language_model(settings, name, reader, loader(settings, device))
    except GenairError as error:
        raise portable(error) from None


class _Writer:
    """On a machine of the cluster: holds the model and writes a block at a time."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        device: str,
        reader: str | None,
        revision: str,
        sampling: Sampling,
        batch_size: int,
    ) -> None:
        self._model, self._sampling, self._batch_size = _load(settings, name, device, reader), sampling, batch_size
        if self._model.revision != revision:
            raise ModelError(
                f"The cluster's machines have different weights of {name!r}: make GENAIR_MODELS_DIR a folder that they share."
            )

    def __call__(self, block: Mapping[str, Any]) -> dict[str, Any]:
        batches = self._model.generate_batches(
            block["prompt"].tolist(),
            block["seed"].tolist(),
            self._sampling,
            self._batch_size,
            names=block["name"].tolist(),
        )
        try:
            written = [pair for batch in batches for pair in batch]
        except GenairError as error:
            raise portable(error) from None
        states = np.zeros(self._model.dim, dtype=np.float32)
        nothing = Completion("", 0, 0, "length", 0.0, states, states)  # beside a failure, as all columns have all rows
        completions = [answer if isinstance(answer, Completion) else nothing for _, answer in written]
        return {
            "index": block["index"][[row for row, _ in written]],
            "failure": np.array([answer.reason if isinstance(answer, Failure) else "" for _, answer in written]),
        } | {name: np.array([getattr(completion, name) for completion in completions]) for name in _FIELDS}


_FIELDS = tuple(Completion.__dataclass_fields__)


def _pair(block: Mapping[str, Any], row: int) -> tuple[int, Written]:
    """Index, and completion or failure, of a row, as Python's own values and arrays."""
    if block["failure"][row]:
        return int(block["index"][row]), Failure(str(block["failure"][row]))
    values = {name: block[name][row] for name in _FIELDS}
    states = {name: values[name] for name in ("prefill", "decoding")}
    return int(block["index"][row]), Completion(
        text=str(values["text"]),
        prompt_tokens=int(values["prompt_tokens"]),
        generated_tokens=int(values["generated_tokens"]),
        finish="eos" if values["finish"] == "eos" else "length",
        seconds=float(values["seconds"]),
        **states,
    )
