"""The association score of items that real users take together (oracle 3 of methods.md section 9)."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.catalog.sequences import Sequences
from genair_engine.losses.extra import association as association_module
from genair_engine.losses.extra.association import Association


def counted(histories, n_items, window=None, count_once=False):
    """S by going through every pair of events."""
    counts = np.zeros((n_items + 1, n_items + 1))
    for history in histories:
        pairs = [
            tuple(sorted((history[earlier], history[later])))
            for earlier, later in itertools.combinations(range(len(history)), 2)
            if history[earlier] != history[later] and (window is None or later - earlier <= window)
        ]
        for a, b in set(pairs) if count_once else pairs:
            counts[a, b] += 1
            counts[b, a] += 1
    return np.log1p(counts) / np.log1p(counts.max()) if counts.max() else counts


@settings(max_examples=150)
@given(
    histories=st.lists(st.lists(st.integers(1, 6), max_size=9), min_size=1, max_size=12),
    window=st.none() | st.integers(1, 10),
    count_once=st.booleans(),
    block=st.sampled_from([1, 7, 1 << 22]),
)
def test_association_equals_counting_pairs(histories, window, count_once, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(association_module, "BLOCK_PAIRS", block)
        scores = Association(Sequences.from_lists(histories), 6, window, count_once).scores.toarray()
    np.testing.assert_allclose(scores, counted(histories, 6, window, count_once), rtol=1e-6)


def test_blocks_hold_about_the_pairs_they_may(monkeypatch):
    """Users stay whole and in order; a block is one user's pairs over the limit at most."""
    monkeypatch.setattr(association_module, "BLOCK_PAIRS", 100)
    lengths = np.random.default_rng(0).integers(0, 40, size=200)
    train = Sequences.from_lists([range(1, length + 1) for length in lengths])
    blocks = list(association_module._blocks(train, window=3))
    assert np.array_equal(np.concatenate([block.lengths for block in blocks]), lengths)
    pairs = [sum(min(3, later) for length in block.lengths for later in range(length)) for block in blocks]
    most = sum(min(3, later) for later in range(39))
    assert sum(pairs) > 50 * 100 and max(pairs) <= 100 + most


def test_association_knows_training_interactions_only(tiny):
    """S is symmetric, 1 at its largest, without self pairs; held-out items change nothing."""
    association = Association(tiny.split.train, tiny.n_items)
    scores = association.scores.toarray()
    assert scores.max() == 1 and np.array_equal(scores, scores.T) and scores.diagonal().max() == 0
    changed = tiny.sequences.items.copy()
    for user in tiny.split.users:
        end = tiny.sequences.offsets[user + 1]
        changed[end - 2 : end] = 12
    other = type(tiny)("other", tiny.items, Sequences(changed, tiny.sequences.offsets), tiny.user_ids)
    assert np.array_equal(Association(other.split.train, other.n_items).scores.toarray(), scores)


@settings(max_examples=60)
@given(
    histories=st.lists(st.lists(st.integers(1, 9), max_size=8), min_size=1, max_size=8),
    asked=st.lists(st.lists(st.integers(1, 9), unique=True, max_size=9), min_size=1, max_size=4),
)
def test_between_picks_the_submatrix(histories, asked):
    """Any items in any order, call after call."""
    association = Association(Sequences.from_lists(histories), 9)
    scores = association.scores.toarray()
    for items in asked:
        between = association.between(torch.tensor(items, dtype=torch.int64))
        np.testing.assert_array_equal(between.numpy(), scores[np.ix_(items, items)])


def test_an_item_with_many_partners_has_no_long_row():
    """One item met by everyone: what a lookup reads stays small."""
    association = Association(Sequences.from_lists([[1, other] for other in range(2, 1002)]), 1001)
    assert association._starts.diff().max() == 1
    assert association.between(torch.arange(1, 1002))[0].sum() == 1000
