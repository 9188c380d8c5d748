"""Negatives of pairwise losses: uniform over what the user never took."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.catalog.sequences import Sequences
from genair_engine.losses.ranking.negatives import NegativeSampler

CPU = torch.device("cpu")


@settings(max_examples=60)
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
