"""Next-token rules against transformers' own processors, and each seed's own random stream."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from transformers.generation.logits_process import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from genair_engine.archetypes.backends import Sampling
from genair_engine.archetypes.sampling import next_tokens, nucleus_threshold, uniforms

VOCABULARY = 50


@pytest.fixture
def logits() -> torch.Tensor:
    return 3 * torch.randn(4, VOCABULARY, generator=torch.Generator().manual_seed(0))


def seen_tokens(ids: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(ids), VOCABULARY, dtype=torch.bool).scatter_(1, ids, True)


def test_frequencies_are_those_of_the_transformers_processors(logits: torch.Tensor) -> None:
    sampling = Sampling()
    ids = torch.tensor([[0, 1, 2, 3], [4, 4, 5, 6], [7, 8, 9, 9], [20, 30, 40, 49]])
    expected = logits.clone()
    for rule in (
        RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty),
        TemperatureLogitsWarper(sampling.temperature),
        TopPLogitsWarper(sampling.top_p),
    ):
        expected = rule(ids, expected)
    expected = expected.softmax(dim=-1)

    n = 20_000
    draws = (torch.arange(n) + 0.5) / n  # an even grid instead of chance: frequencies are exact to 1/n
    for row in range(len(logits)):
        seen = seen_tokens(ids[row : row + 1]).expand(n, -1)
        drawn = next_tokens(logits[row].expand(n, -1), seen, draws, sampling)
        frequency = torch.bincount(drawn, minlength=VOCABULARY) / n
        assert torch.equal(frequency > 0, expected[row] > 0)
        torch.testing.assert_close(frequency, expected[row], atol=2 / n, rtol=0)


def test_greedy_takes_the_likeliest_after_the_penalty() -> None:
    logits = torch.tensor([[2.0, 1.9, -1.0], [-1.0, -1.1, -9.0]])
    seen = torch.tensor([[True, False, False], [True, False, False]])
    greedy = Sampling(greedy=True)
    assert next_tokens(logits, seen, torch.zeros(2), greedy).tolist() == [1, 1]
    without = greedy.model_copy(update={"repetition_penalty": 1.0})
    assert next_tokens(logits, seen, torch.zeros(2), without).tolist() == [0, 0]


@pytest.mark.parametrize("draw", [0.0, 1 - 2**-23])
def test_extreme_draws_stay_in_the_nucleus(logits: torch.Tensor, draw: float) -> None:
    unseen = torch.zeros(4, VOCABULARY, dtype=torch.bool)
    drawn = next_tokens(logits, unseen, torch.full((4,), draw), Sampling(top_p=1e-6))
    assert torch.equal(drawn, logits.argmax(dim=-1))


def test_a_nucleus_of_any_size_is_exact() -> None:
    """A peaked row and a nearly flat one, whose nucleus is far larger than the part that is looked at first."""
    noise = torch.randn(2, 3000, generator=torch.Generator().manual_seed(1))
    logits = noise * torch.tensor([[8.0], [0.1]])
    expected = TopPLogitsWarper(0.9)(None, logits).softmax(dim=-1) > 0
    probabilities = logits.softmax(dim=-1)
    assert expected[1].sum() > 2000
    for rows in (slice(0, 1), slice(0, 2)):
        assert torch.equal(probabilities[rows] >= nucleus_threshold(probabilities[rows], 0.9), expected[rows])


def test_equal_probabilities_are_in_the_nucleus_together() -> None:
    threshold = nucleus_threshold(torch.tensor([[0.4, 0.2, 0.2, 0.2]]), 0.5)
    assert threshold.item() == pytest.approx(0.2)


def test_a_stream_depends_on_its_seed_alone() -> None:
    together = uniforms([3, 1, 2**63, 3], 16)
    assert together.dtype == torch.float32 and together.min() >= 0 and together.max() < 1
    assert torch.equal(together[0], together[3])
    assert torch.equal(together[1], uniforms([1], 16)[0])
    assert torch.equal(together[1, :5], uniforms([1], 5)[0])
    correlation = torch.corrcoef(uniforms(range(50), 400)).fill_diagonal_(0).abs().max()
    assert correlation < 0.25  # five standard errors: neighbouring seeds are unrelated


@pytest.mark.parametrize(
    ("field", "value"), [("temperature", 0), ("top_p", 1.1), ("repetition_penalty", 0.5), ("max_new_tokens", 0)]
)
def test_settings_out_of_range_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=field):
        Sampling(**{field: value})
