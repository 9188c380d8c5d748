"""Trains small models, alone or under torchrun: `torchrun --nproc-per-node 2 -m tests.training.two_processes FOLDER`."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import NonFiniteError
from genair_engine.methods.config import RunConfig
from genair_engine.training.processes import Processes, joined
from genair_engine.training.trainer import Trainer
from tests.methods import building

N_ITEMS = 25
CASES = {
    "sasrec": {"backbone": "sasrec", "method": "genair", "layers": 2, "heads": 2, "alpha": 0.5},
    "bert4rec": {"backbone": "bert4rec", "method": "genair-id"},
    "gru4rec": {"backbone": "gru4rec", "method": "id"},
}
SMALL = {"dim": 8, "layers": 1, "dropout": 0.0, "max_len": 6, "batch_size": 6, "epochs": 3, "learning_rate": 0.01}


def trainer(case: str, processes: Processes) -> Trainer:
    """13 histories in batches of 6 (BERT4Rec: 26): the last batch of one or two leaves little for a second process."""
    rng = np.random.default_rng(2)
    histories = [((rng.integers(N_ITEMS) + np.arange(4 + user % 6)) % N_ITEMS + 1).tolist() for user in range(13)]
    items = pd.DataFrame({"item_id": [f"i{item}" for item in range(1, N_ITEMS + 1)]})
    data = Dataset("small", items, Sequences.from_lists(histories), [f"u{user}" for user in range(13)])
    config = RunConfig.of(**(SMALL | CASES[case]))
    torch.manual_seed(0 if processes.first else 99)  # what counts are the first process's weights
    inputs = building.inputs(config, N_ITEMS)
    return Trainer(building.built(config, N_ITEMS), data, config, inputs, processes=processes)


def outcome(case: str, processes: Processes) -> dict:
    run = trainer(case, processes)
    records = [(record.losses, record.valid) for record in run.fit().history]
    return {"history": records, "best_epoch": run.progress.best_epoch, "weights": run.model.state_dict()}


def divergence(processes: Processes) -> str:
    """The last process's loss is not finite in the last step of an epoch: what does each of them say?"""
    run = trainer("gru4rec", processes)
    step, done = run.step, []

    def failing(batch):
        done.append(step(batch))
        bad = processes.rank == processes.world - 1 and len(done) == 3
        return {name: value * (float("nan") if bad else 1.0) for name, value in done[-1].items()}

    run.step = failing
    try:
        run.fit()
    except NonFiniteError as error:
        return str(error)
    return "nothing"


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined() as here:
        report = {case: outcome(case, here) for case in CASES}
        report["divergence"] = divergence(here)
        report["place"] = (here.rank, here.world, here.local, here.first)
        report["told"] = here.tell(f"from {here.rank}")
        report["mean"] = here.mean(torch.tensor([1.0, here.rank]))
        torch.save(report, Path(sys.argv[1]) / f"{here.rank}.pt")
