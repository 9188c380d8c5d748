"""What training will cost: the steps and users that are sampled, and that nothing outside the trainer changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genair_engine.catalog.synthetic import synthetic_dataset
from genair_engine.evaluation import protocol
from genair_engine.methods.config import RunConfig
from genair_engine.training import estimate
from tests.methods import building


@pytest.fixture
def trainer():
    dataset = synthetic_dataset(users=60, items=20, interactions=500, seed=1)
    return building.trainer(dataset, RunConfig.of(method="id", dim=8, layers=1, batch_size=4, max_len=20))


def test_an_epoch_of_steps_that_cost_their_size(trainer, monkeypatch):
    """Where a step costs a + b · size exactly, few steps give the whole epoch exactly."""
    lengths = trainer.batches.train.lengths[trainer.batches.users]

    def cost(_, rows, rng):
        return 2.0 + 0.5 * len(rows) * min(int(lengths[rows].max()), 20)

    monkeypatch.setattr(estimate, "_step", cost)
    cost_of_epoch = estimate.measure_steps(trainer, seconds=1e-9)
    plan = trainer.batches.plan(np.random.default_rng(trainer.config.seed))
    assert cost_of_epoch.seconds == pytest.approx(sum(cost(trainer, rows, None) for rows in plan))
    assert cost_of_epoch.steps == estimate.LEAST_STEPS < cost_of_epoch.of == len(plan)


def test_with_time_enough_every_step_is_timed_once(trainer):
    cost = estimate.measure_steps(trainer, seconds=60)
    assert cost.steps == cost.of == len(trainer.batches) and cost.seconds > 0


def test_torch_draws_as_if_nothing_had_happened(trainer):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    estimate.measure_steps(trainer, seconds=0.05)
    assert torch.equal(torch.rand(3), expected)


def test_one_batch_is_enough():
    dataset = synthetic_dataset(users=5, items=8, interactions=40, seed=1)
    whole = building.trainer(dataset, RunConfig.of(method="id", dim=8, layers=1, batch_size=64))
    assert estimate.measure_steps(whole, seconds=0.01).of == 1


def test_the_sample_has_the_longest_histories_in_whole_blocks(trainer, monkeypatch):
    monkeypatch.setattr(estimate, "MAX_BLOCK_SCORES", 1)
    monkeypatch.setattr(estimate, "LEAST_BLOCK_SESSIONS", 8)
    dataset = trainer.dataset
    sample = estimate.sample_of_evaluation(dataset, most_blocks=3)
    evaluated = len(dataset.split.users)
    assert len(sample.users) == 16 + (evaluated % 8 or 8)  # the shortest histories make a block that may not be full
    assert sample.scale == -(-evaluated // 8) / 3
    lengths = dataset.split.train.lengths[dataset.split.users]
    assert lengths[sample.users].max() == lengths.max()
    assert np.array_equal(sample.dataset.split.valid, dataset.split.valid[sample.users])


def test_a_small_data_set_is_ranked_whole(trainer):
    sample = estimate.sample_of_evaluation(trainer.dataset)
    assert trainer.dataset.n_items * trainer.dataset.n_users < protocol.MAX_BLOCK_SCORES
    assert len(sample.users) == len(trainer.dataset.split.users) and sample.scale == 1
    assert estimate.measure_validation(trainer, sample) > 0
