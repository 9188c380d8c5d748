"""Batches and negatives: every training position once, nothing held out, nothing interacted as a negative."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.catalog.dataset import Sequences
from genair_engine.errors import InputError
from genair_engine.training.batches import NegativeSampler, NextItemSource

CPU = torch.device("cpu")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 9), max_size=8), min_size=1, max_size=25).filter(lambda s: any(len(x) > 1 for x in s)),
    st.integers(1, 7),
    st.integers(1, 9),
)
def test_an_epoch_is_every_transition_once(histories, batch_size, max_len):
    source = NextItemSource(Sequences.from_lists(histories), batch_size, max_len)
    seen = {}
    batches = list(source.epoch(np.random.default_rng(0), CPU))
    assert len(batches) == len(source)
    for batch in batches:
        assert len(batch.users) <= batch_size and batch.inputs.shape == batch.targets.shape
        assert (batch.targets[:, -1] != 0).any() and batch.inputs.shape[1] <= max_len
        for user, inputs, targets in zip(batch.users.tolist(), batch.inputs.tolist(), batch.targets.tolist(), strict=True):
            assert user not in seen
            seen[user] = ([i for i in inputs if i], [t for t in targets if t])
    expected = {
        user: (history[-max_len - 1 : -1], history[-max_len - 1 :][1:])
        for user, history in enumerate(histories)
        if len(history) > 1
    }
    assert seen == expected


def test_order_depends_on_the_seed_alone(tiny):
    source = NextItemSource(tiny.split.train, 3, 50)

    def order(seed):
        return [batch.users.tolist() for batch in source.epoch(np.random.default_rng(seed), CPU)]

    assert order(1) == order(1)
    assert any(order(1) != order(seed) for seed in range(2, 6))


def test_nothing_to_learn_is_said():
    with pytest.raises(InputError, match="two training interactions"):
        NextItemSource(Sequences.from_lists([[1], [2]]), 2, 5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 5), max_size=9), min_size=1, max_size=6))
def test_negatives_are_uniform_over_what_the_user_never_took(histories):
    n_items, draws = 5, 2000
    sampler = NegativeSampler(Sequences.from_lists(histories), n_items, CPU)
    users = torch.arange(len(histories)).repeat_interleave(draws)
    drawn = sampler.draw(users, torch.Generator().manual_seed(0)).view(len(histories), draws)
    for history, row in zip(histories, drawn, strict=True):
        free = set(range(1, n_items + 1)) - set(history) or set(range(1, n_items + 1))
        counts = torch.bincount(row, minlength=n_items + 1)
        assert set(counts.nonzero().flatten().tolist()) == free
        assert (counts[sorted(free)] / draws - 1 / len(free)).abs().max() < 0.06  # five standard deviations
