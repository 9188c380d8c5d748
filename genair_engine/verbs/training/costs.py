"""The short process of the verb `estimate`: `python -m genair_engine.verbs.training.costs`, a request on stdin as JSON.

It does what `fitting.train` does up to where the epochs begin, and then a little of all that follows: steps, a
checkpoint, validation and the final evaluation. It writes nothing to the workspace, and prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from genair_engine.devices import peak_memory, pick_device
from genair_engine.errors import GenairError, InputError
from genair_engine.methods.recommender import TableRecommender
from genair_engine.store import artifacts
from genair_engine.training.efficiency import inference_flops, trainable_parameters
from genair_engine.training.estimate import StepCost, measure_steps, measure_validation, sample_of_evaluation
from genair_engine.training.trainer import Trainer
from genair_engine.verbs.evaluation.measure import measure
from genair_engine.verbs.training.checks import check
from genair_engine.verbs.training.estimate import Estimate
from genair_engine.verbs.training.load import initial_model, load_inputs
from genair_engine.verbs.training.requests import TrainRequest
from genair_engine.workspace import Workspace


def main() -> None:
    """Answers {"request", "seconds"} with the fields of an `Estimate`, or {"error"} for a person to read."""
    given = json.load(sys.stdin)
    answered: dict[str, Any]
    try:
        answered = measured(Workspace.open(), TrainRequest(**given["request"]), given["seconds"]).model_dump()
    except GenairError as error:
        answered = {"error": str(error)}
    except torch.OutOfMemoryError as error:
        answered = {"error": f"It needs more memory than the GPU has free: {error}"}
    print(json.dumps(answered))  # noqa: T201 it is how the process answers


def measured(workspace: Workspace, request: TrainRequest, seconds: float) -> Estimate:
    """Raises InputError, NotFoundError, ModelError as `train` does."""
    if workspace.settings.threads:
        torch.set_num_threads(workspace.settings.threads)
    asked = check(workspace, request)
    if not asked.config.definition.tags.trained:
        raise InputError(f"Method {asked.config.method!r} is not trained: it takes seconds, and there is nothing to estimate.")
    device = pick_device(request.device)
    dataset, inputs = workspace.load_dataset(asked.owner.name), load_inputs(workspace, asked.inputs)
    model = initial_model(asked.config, dataset.n_items, inputs)
    flops = inference_flops(model)
    trainer = Trainer(model, dataset, asked.config, inputs, device=device)
    with peak_memory(device) as peak, torch.compiler.set_stance("force_eager"):
        steps = measure_steps(trainer, seconds)
        _checkpoint(trainer)
        sample = sample_of_evaluation(dataset)
        validation = measure_validation(trainer, sample)
        negatives = workspace.negatives(asked.owner.name)
        measure(TableRecommender(trainer.model), sample.dataset, negatives[sample.users], trainer.protocol)
    return Estimate(
        device=str(device),
        trainable_parameters=trainable_parameters(model),
        efficiency=asdict(flops),
        seconds_per_epoch=steps.seconds,
        validation_seconds=validation,
        memory_mb=peak.megabytes,
        epochs=trainer.most_epochs,
        how=_how(steps, trainer),
    )


def _checkpoint(trainer: Trainer) -> None:
    """What a run holds and writes after an epoch: the best weights, and a checkpoint of everything."""
    trainer.best = {name: value.cpu().clone() for name, value in trainer.average.items()}
    with tempfile.TemporaryDirectory(prefix="genair-estimate-") as folder:
        arrays = {name: tensor.cpu().numpy() for name, tensor in trainer.state().items()}
        artifacts.save_arrays(Path(folder) / "checkpoint.safetensors", arrays)


def _how(steps: StepCost, trainer: Trainer) -> str:
    threads = torch.get_num_threads()
    if trainer.device.type == "cuda":
        where = f"{torch.cuda.get_device_name(trainer.device)}, without compilation, which makes transformers faster"
    else:
        where = f"this machine's CPU with {threads} thread{'s' * (threads > 1)} at a load of {os.getloadavg()[0]:.1f}"
    return (
        f"Measured on {where}: {steps.steps} of an epoch's {steps.of} steps, spread over short and long histories, then a "
        "checkpoint and a sample of the evaluation. Memory is the peak of that process. FLOPs count a multiply-add as 2."
    )


if __name__ == "__main__":
    main()
