"""A language model whose texts are written on all machines of the cluster, with Ray Data."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from genair_engine.archetypes.backends import (
    BATCH_SIZE,
    Completion,
    Failure,
    LanguageModel,
    Sampling,
    Written,
    in_order,
    open_language_model,
)
from genair_engine.archetypes.hub import Progress, silent
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
        return open_language_model(settings, name, device, reader, progress)
    return ClusterModel(settings, name, device, reader)


class ClusterModel:
    """A `LanguageModel` that writes on all GPUs of the cluster, or else on its CPUs, with a copy of the model on each.

    What it is, one of the machines tells first: neither weights nor a GPU are needed where this object lives.
    """

    def __init__(self, settings: Settings, name: str, device: str, reader: str | None = None) -> None:
        self._settings, self._name, self._reader = settings, name, reader
        self._device, self._gpus = placed(settings, device)
        ray = connect(settings)
        ask = ray.remote(_describe).options(num_gpus=min(self._gpus, 1), num_cpus=cpus(settings))
        with readable_errors(ray):
            found = ray.get(ask.remote(settings, name, self._device, reader))
        self.model_id, self.revision, self.dim, self.backend, self.precision, self.device, self.facts = found

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling, *, names: Sequence[str] = ()
    ) -> list[Completion]:
        """One completion for each prompt, in their order. Raises ModelError where one fails."""
        return in_order(self.generate_batches(prompts, seeds, sampling, names=names))

    def generate_batches(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        sampling: Sampling,
        batch_size: int = BATCH_SIZE,
        *,
        names: Sequence[str] = (),
    ) -> Iterator[list[tuple[int, Written]]]:
        """Blocks of (index, completion or failure) as the machines finish them, the longest prompts first.

        Close the iterator to end the work. Raises as a model on this machine, and OutageError where the cluster fails.
        """
        if not prompts:
            return
        ray, data = connect(self._settings), importable("ray.data")
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        context = data.DataContext.get_current()
        context.enable_progress_bars, context.raise_original_map_exception = False, True
        names = names or [f"prompt {index}" for index in range(len(prompts))]
        order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))
        rows = [{"index": i, "prompt": prompts[i], "seed": seeds[i], "name": names[i]} for i in order]
        at_once = self._gpus or max(1, int(ray.cluster_resources().get("CPU", 1)) // cpus(self._settings))
        blocks = max(min(at_once, -(-len(rows) // batch_size)), -(-len(rows) // (batch_size * BATCHES_A_BLOCK)))
        # A pool of a fixed size begins with its first actor; one that grows would wait for longer queues than these.
        pool = data.ActorPoolStrategy(size=min(at_once, blocks), max_tasks_in_flight_per_actor=1)
        written = data.from_items(rows, override_num_blocks=blocks).map_batches(
            _Writer,
            batch_size=None,  # a whole block
            fn_constructor_args=(self._settings, self._name, self._device, self._reader, self.revision, sampling, batch_size),
            compute=pool,
            num_gpus=min(self._gpus, 1),
            num_cpus=cpus(self._settings),
        )
        finished = iter(written.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"))
        with readable_errors(ray), closing(finished):
            for block in finished:
                yield [_pair(block, row) for row in range(len(block["index"]))]


def _describe(
    settings: Settings, name: str, device: str, reader: str | None
) -> tuple[str, str, int, str, str, str, dict[str, str]]:
    """On a machine of the cluster: what the model is there."""
    model = _load(settings, name, device, reader)
    return model.model_id, model.revision, model.dim, model.backend, model.precision, model.device, model.facts


def _load(settings: Settings, name: str, device: str, reader: str | None) -> LanguageModel:
    try:
        return open_language_model(settings, name, device, reader)
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
        completions = [one if isinstance(one, Completion) else nothing for _, one in written]
        return {
            "index": block["index"][[row for row, _ in written]],
            "failure": np.array([one.reason if isinstance(one, Failure) else "" for _, one in written]),
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
