"""Whole runs of the engine against a second, small implementation: each step's loss, the scores and the metrics after it."""

import numpy as np
import pandas as pd
import pytest
import torch

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.sessions import Sessions
from genair_engine.methods.config import RunConfig
from genair_engine.methods.recommender import TableRecommender
from genair_engine.models import IdItems
from tests.methods import building
from tests.training.reference_training import MASK, Reference, Row, ranking_metrics

N_ITEMS, MAX_LEN, EPOCHS = 40, 5, 6


@pytest.fixture(scope="module")
def sequences() -> list[list[int]]:
    """Histories that go around the catalogue in small steps, from 1 to 11 items: some are cut, some not evaluated."""
    rng = np.random.default_rng(5)
    histories = [
        ((rng.integers(N_ITEMS) + rng.integers(1, 4, 1 + row % 11).cumsum()) % N_ITEMS + 1).tolist() for row in range(33)
    ]
    assert {len(history) for history in histories} == set(range(1, 12))
    return histories


def dataset(sequences: list[list[int]]) -> Dataset:
    items = pd.DataFrame({"item_id": [f"i{item}" for item in range(1, N_ITEMS + 1)]})
    return Dataset("small", items, Sequences.from_lists(sequences), [f"u{user}" for user in range(len(sequences))])


def recorded_run(data: Dataset, config: RunConfig):
    """The engine's run: weights at the start, (batch, negatives, losses) of every step, weights and metrics at the end."""
    trainer = building.trainer(data, config, seed=1)
    start = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    steps, drawn = [], []
    draw, step = trainer.objective._draw, trainer.step

    def remembering_draw(users):
        drawn.append(draw(users))
        return drawn[-1]

    def remembering_step(batch):
        steps.append((batch, step(batch), drawn.pop().tolist()))
        return steps[-1][1]

    trainer.objective._draw, trainer.step = remembering_draw, remembering_step
    end = {}
    progress = trainer.fit(lambda record: end.update(trainer.state()))
    trainer.model.load_state_dict({name[6:]: value for name, value in end.items() if name.startswith("model.")})
    return trainer, start, steps, progress.history


def next_items(histories: list[list[int]], users: list[int]) -> list[Row]:
    return [Row(histories[user][:-1][-MAX_LEN:], histories[user][1:][-MAX_LEN:]) for user in users]


def cloze(batch) -> list[Row]:
    """What was hidden is the engine's choice; whether it is hidden well is tested with the batches."""
    rows = []
    for length, inputs, targets, masked in zip(batch.lengths, batch.inputs, batch.targets, batch.masked, strict=True):
        shown = [MASK if hidden else item for item, hidden in zip(inputs.tolist(), masked.tolist(), strict=True)]
        rows.append(Row(shown[:length], targets.tolist()[:length]))
    return rows


@pytest.mark.parametrize(
    "backbone, loss",
    [("sasrec", "ce"), ("sasrec", "bce"), ("sasrec", "sampled"), ("gru4rec", "ce"), ("gru4rec", "bpr"), ("bert4rec", "ce"),
     ("bert4rec", "bce")],
)  # fmt: skip
def test_a_run_agrees_with_an_independent_implementation(sequences, backbone, loss):
    heads, shared = {} if backbone == "gru4rec" else {"heads": 2}, {"negatives": 11} if loss == "sampled" else {}
    config = RunConfig.of(
        backbone=backbone, loss=loss, method="id", dim=8, layers=2, dropout=0.0, max_len=MAX_LEN, batch_size=7,
        learning_rate=0.02, averaging=0.0, epochs=EPOCHS, **heads, **shared,
    )  # fmt: skip
    data = dataset(sequences)
    trainer, start, steps, history = recorded_run(data, config)
    reference = Reference(start, backbone, MAX_LEN, heads.get("heads", 1), config.training.learning_rate)

    training = [history[:-2] if len(history) >= 3 else history for history in sequences]
    learned = {user for user, history in enumerate(training) if len(history) >= 2}
    assert len(steps) == EPOCHS * -(-len(learned) * (2 if backbone == "bert4rec" else 1) // 7)
    for epoch in range(EPOCHS):
        of_epoch = steps[epoch * len(steps) // EPOCHS : (epoch + 1) * len(steps) // EPOCHS]
        assert {user for batch, _, _ in of_epoch for user in batch.users.tolist()} == learned
        expected = []
        for batch, losses, drawn in of_epoch:
            rows = cloze(batch) if backbone == "bert4rec" else next_items(training, batch.users.tolist())
            expected.append(reference.step(rows, loss, drawn))
            assert losses["rank"].item() == pytest.approx(expected[-1], rel=2e-4)
        assert history[epoch].losses["rank"] == pytest.approx(np.mean(expected), rel=2e-4)
    assert history[-1].losses["rank"] < 0.95 * history[0].losses["rank"]  # it did train

    evaluated = [user for user, history in enumerate(sequences) if len(history) >= 3]
    assert data.split.users.tolist() == evaluated
    reads = MAX_LEN - 1 if backbone == "bert4rec" else MAX_LEN
    scores = [reference.scores(training[user], reads) for user in evaluated]
    engine_scores = TableRecommender(trainer.model).score(Sessions.of_users(data.split.train, data.split.users)).double()
    torch.testing.assert_close(engine_scores[:, 1:], torch.stack(scores)[:, 1:], rtol=2e-3, atol=2e-3)
    targets = [sequences[user][-2] for user in evaluated]
    expected = ranking_metrics(scores, [training[user] for user in evaluated], targets, k=10)
    assert 0 < expected["NDCG@10"] < 1
    for name, value in expected.items():
        assert history[-1].valid[name] == pytest.approx(value, abs=1e-9)  # ranks are whole numbers: the same ones


def test_the_reference_would_notice_a_leak(sequences, monkeypatch):
    """Of the same weights, the public code's SASRec (no causal mask) has another loss from the first step on."""
    base = {"method": "id", "dim": 8, "heads": 2, "dropout": 0.0, "max_len": MAX_LEN, "batch_size": 7, "epochs": 1}
    monkeypatch.setattr(IdItems, "INITIAL_STD", 0.5)  # vectors that matter from the start
    _, start, steps, _ = recorded_run(dataset(sequences), RunConfig.of(**base, public_code_attention=True))
    reference = Reference(start, "sasrec", MAX_LEN, 2, 1e-3)
    training = [history[:-2] if len(history) >= 3 else history for history in sequences]
    expected = reference.step(next_items(training, steps[0][0].users.tolist()), "ce", [])
    assert abs(steps[0][1]["rank"].item() / expected - 1) > 1e-3
