"""Batches: every training position once, and nothing that is held out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import InputError
from genair_engine.models.batch import Batch
from genair_engine.training.batches import ClozeSource, NextItemSource

CPU = torch.device("cpu")
HISTORIES = st.lists(st.lists(st.integers(1, 9), max_size=8), min_size=1, max_size=25).filter(
    lambda histories: any(len(history) > 1 for history in histories)
)


@settings(max_examples=50)
@given(HISTORIES, st.integers(1, 7), st.integers(1, 9))
def test_an_epoch_is_every_transition_once(histories, batch_size, max_len):
    source = NextItemSource(Sequences.from_lists(histories), batch_size, max_len)
    seen = {}
    batches = list(source.epoch(np.random.default_rng(0), CPU))
    assert len(batches) == len(source)
    for batch in batches:
        assert len(batch.users) <= batch_size and batch.inputs.shape == batch.targets.shape
        assert (batch.targets[:, -1] != 0).any() and batch.inputs.shape[1] <= max_len
        assert batch.masked is None and batch.lengths.tolist() == (batch.targets != 0).sum(dim=1).tolist()
        assert torch.equal(batch.inputs != 0, batch.targets != 0)  # padding is on the right of both
        for user, inputs, targets in zip(batch.users.tolist(), batch.inputs.tolist(), batch.targets.tolist(), strict=True):
            assert user not in seen
            seen[user] = ([i for i in inputs if i], [t for t in targets if t])
    expected = {
        user: (history[-max_len - 1 : -1], history[-max_len - 1 :][1:])
        for user, history in enumerate(histories)
        if len(history) > 1
    }
    assert seen == expected


@settings(max_examples=30)
@given(HISTORIES, st.integers(1, 7), st.integers(1, 9))
def test_last_only_leaves_the_last_target_and_all_inputs(histories, batch_size, max_len):
    train = Sequences.from_lists(histories)
    batches = NextItemSource(train, batch_size, max_len, last_only=True).epoch(np.random.default_rng(0), CPU)
    every = NextItemSource(train, batch_size, max_len).epoch(np.random.default_rng(0), CPU)
    for batch, whole in zip(batches, every, strict=True):
        assert torch.equal(batch.users, whole.users) and torch.equal(batch.inputs, whole.inputs)
        assert torch.equal(batch.lengths, whole.lengths)
        for user, length, targets in zip(batch.users, batch.lengths, batch.targets.tolist(), strict=True):
            assert [(t, item) for t, item in enumerate(targets) if item] == [(length - 1, histories[user][-1])]


@settings(max_examples=60)
@given(HISTORIES, st.integers(1, 7), st.integers(2, 9), st.floats(0.01, 0.99), st.integers(9, 12))
def test_cloze_shows_each_user_twice_and_hides_what_it_asks_for(histories, batch_size, max_len, probability, n_items):
    source = ClozeSource(Sequences.from_lists(histories), batch_size, max_len, n_items, probability)
    batches = list(source.epoch(np.random.default_rng(0), CPU))
    assert len(batches) == len(source)
    shown: dict[int, list[tuple[list[int], list[bool], list[int]]]] = {}
    for batch in batches:
        assert batch.inputs.shape == batch.targets.shape == batch.masked.shape
        assert len(batch.users) <= batch_size and batch.inputs.shape[1] == batch.lengths.max()
        rows = zip(
            *(part.tolist() for part in (batch.users, batch.lengths, batch.inputs, batch.masked, batch.targets)), strict=True
        )
        for user, length, inputs, masked, targets in rows:
            history = histories[user][-max_len:]  # the latest ones
            assert length == len(history)
            assert not any(inputs[length:]) and not any(masked[length:]) and not any(targets[length:])
            assert any(targets)  # every row predicts something
            for item, read, hidden, target in zip(history, inputs, masked, targets, strict=False):
                assert target in (0, item)
                assert read == item or target == item  # only what is asked for is changed
                assert (read == 0) == hidden and 0 <= read <= n_items
            shown.setdefault(user, []).append((inputs[:length], masked[:length], targets[:length]))
    assert set(shown) == {user for user, history in enumerate(histories) if len(history) > 1}
    for user, twice in shown.items():
        history = histories[user][-max_len:]
        assert len(twice) == 2
        prediction = ([*history[:-1], 0], [False] * (len(history) - 1) + [True], [0] * (len(history) - 1) + history[-1:])
        assert prediction in twice  # what inference looks like


def test_cloze_hides_the_shares_that_it_says():
    """Of 60,000 items 0.35 are asked for; of these 80 % masked, 10 % another item, uniformly, and 10 % as they are."""
    n_items, rng = 7, np.random.default_rng(1)
    items = rng.integers(1, n_items + 1, (3000, 20))
    source = ClozeSource(Sequences.from_lists(items.tolist()), 100, 20, n_items, 0.35)
    first = np.ones(100, dtype=bool)
    parts = [source.build(np.arange(start, start + 100), first, rng) for start in range(0, 3000, 100)]
    inputs, _, targets, masked = (np.concatenate(part) for part in zip(*parts, strict=True))
    chosen = targets != 0
    assert chosen.mean() == pytest.approx(0.35, abs=0.01)  # five standard deviations
    assert np.ptp(chosen.mean(axis=0)) < 0.06  # wherever it stands
    asked = chosen.sum()
    replaced = chosen & ~masked & (inputs != items)
    assert masked.sum() / asked == pytest.approx(0.8, abs=0.014)
    assert replaced.sum() / asked == pytest.approx(0.1, abs=0.011)
    shift = (inputs[replaced] - items[replaced]) % n_items
    counts = np.bincount(shift, minlength=n_items) / replaced.sum()
    assert counts[0] == 0 and np.abs(counts[1:] - 1 / 6).max() < 0.045


def test_cloze_of_a_catalogue_with_one_item():
    source = ClozeSource(Sequences.from_lists([[1, 1, 1]] * 50), 10, 3, 1, 0.9)
    for batch in source.epoch(np.random.default_rng(0), CPU):
        assert torch.equal(batch.inputs == 0, batch.masked) and batch.inputs.max() <= 1


def test_cloze_draws_anew_every_epoch():
    source = ClozeSource(Sequences.from_lists([list(range(1, 10))] * 20), 5, 9, 9, 0.5)

    def masks(*seed):
        return torch.cat([batch.masked for batch in source.epoch(np.random.default_rng(seed), CPU)])

    assert torch.equal(masks(1, 1), masks(1, 1)) and not torch.equal(masks(1, 1), masks(1, 2))


@pytest.mark.parametrize("make", [NextItemSource, lambda *given: ClozeSource(*given, 9, 0.5)])
def test_histories_of_a_batch_have_similar_lengths(make):
    """Within a pool the batches are as narrow as sorting by length can make them, and come in random order."""
    lengths = np.random.default_rng(3).permutation(np.arange(400) % 40 + 2)
    source = make(Sequences.from_lists([[1] * length for length in lengths]), 10, 50)
    batches = list(source.epoch(np.random.default_rng(0), CPU))
    cells = sum(batch.inputs.numel() for batch in batches)
    real = sum(int(batch.lengths.sum()) for batch in batches)
    assert cells < 1.1 * real
    widths = [batch.inputs.shape[1] for batch in batches]
    assert widths != sorted(widths)


def test_rows_of_a_batch():
    tensors = [torch.arange(5), torch.arange(10).view(5, 2), torch.ones(5), torch.arange(10).view(5, 2), torch.ones(5, 2)]
    part = Batch(*tensors).rows(slice(1, None, 2))
    assert part.users.tolist() == [1, 3] and part.inputs.tolist() == [[2, 3], [6, 7]] and part.masked.shape == (2, 2)
    assert Batch(*tensors[:4]).rows(slice(0, 2)).masked is None


def test_order_depends_on_the_seed_alone(tiny):
    source = NextItemSource(tiny.split.train, 3, 50)

    def order(seed):
        return [batch.users.tolist() for batch in source.epoch(np.random.default_rng(seed), CPU)]

    assert order(1) == order(1)
    assert any(order(1) != order(seed) for seed in range(2, 6))


def test_nothing_to_learn_is_said():
    with pytest.raises(InputError, match="two training interactions"):
        NextItemSource(Sequences.from_lists([[1], [2]]), 2, 5)
