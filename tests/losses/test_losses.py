"""Ranking losses against their formulas, value and gradient; padding that never competes."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from genair_engine.catalog.sequences import Sequences
from genair_engine.losses.base import RankingLoss, Step
from genair_engine.losses.ranking import softmax as blocks
from genair_engine.losses.ranking.registry import LOSSES
from genair_engine.losses.ranking.softmax import Seen, softmax
from genair_engine.models.batch import Batch

CPU = torch.device("cpu")
STATES = torch.tensor([[1.0, 2.0], [0.5, -1.0]])
POSITIVES = torch.tensor([[0.3, 0.1], [1.0, 1.0]])
NEGATIVES = torch.tensor([[-1.0, 0.2], [0.0, 2.0]])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def problem(positions: int = 23, n_items: int = 17, dim: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States, table with a padding row that would win every softmax, and targets that repeat."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(positions, dim, generator=generator)
    table = 2 * torch.randn(n_items + 1, dim, generator=generator)
    table[0] = 50.0
    return states, table, torch.randint(1, n_items + 1, (positions,), generator=generator)


def with_gradients(loss, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    inputs = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    value = loss(*inputs)
    return value.detach(), *torch.autograd.grad(3.0 * value, inputs)  # 3: a gradient that is not 1 arrives from above


def ranking_loss(name: str, n_items: int, **options) -> RankingLoss:
    """A loss by its name, for users of whom nothing is known."""
    return LOSSES[name].load()(LOSSES[name].options(**options), Sequences.from_lists([[1]]), n_items, CPU)


def step(states: torch.Tensor, table: torch.Tensor, targets: torch.Tensor, drawn: torch.Tensor) -> Step:
    """A step of one-item histories whose table holds every item in its own row."""
    rows, places = torch.arange(len(states)), torch.zeros(len(states), dtype=torch.int64)
    batch = Batch(rows, torch.zeros(len(states), 1, dtype=torch.int64), places + 1, targets.unsqueeze(1))
    return Step(batch, states, targets, rows, places, drawn, table, torch.arange(len(table)), targets)


def pairwise(name: str, states: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor) -> torch.Tensor:
    """The loss of item vectors: each position's next item, and its negative."""
    table = torch.cat([torch.zeros(1, states.shape[1]), positives, negatives])
    targets = torch.arange(1, len(states) + 1)
    return ranking_loss(name, len(table) - 1)(step(states, table, targets, targets + len(states)))


def sampled_softmax(states: torch.Tensor, table: torch.Tensor, targets: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    return ranking_loss("sampled", len(table) - 1)(step(states, table, targets, drawn))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_says_what_it_is(name):
    """In the registry in words, and in its class with equation, requirements, inputs and relations to the others."""
    entry = LOSSES[name]
    assert entry.purpose and all(field.description for field in entry.options.model_fields.values())
    described = str(entry.load().__doc__)
    assert all(part in described for part in ("L = ", "Requirements", "nputs:", "Relations to other losses:"))


def test_bpr():
    positive, negative = [0.5, -0.5], [-0.6, -2.0]
    expected = -sum(math.log(sigmoid(p - n)) for p, n in zip(positive, negative, strict=True)) / 2
    assert pairwise("bpr", STATES, POSITIVES, NEGATIVES).item() == pytest.approx(expected, rel=1e-5)


def test_bce():
    positive, negative = [0.5, -0.5], [-0.6, -2.0]
    expected = sum(-math.log(sigmoid(p)) - math.log(1 - sigmoid(n)) for p, n in zip(positive, negative, strict=True)) / 2
    assert pairwise("bce", STATES, POSITIVES, NEGATIVES).item() == pytest.approx(expected, rel=1e-5)


def test_what_each_loss_draws():
    """The softmax nothing, the sampled one as many shared items as it is told, the others one for each position."""
    users = torch.zeros(400, dtype=torch.int64)
    assert ranking_loss("ce", 5).draw(users).shape == (0,)
    shared = ranking_loss("sampled", 5, negatives=300).draw(users)
    assert shared.shape == (300,) and shared.unique().tolist() == [1, 2, 3, 4, 5]  # seen items, too
    for name in ("bce", "bpr"):
        drawn = ranking_loss(name, 5).draw(users)
        assert drawn.shape == (400,) and drawn.unique().tolist() == [2, 3, 4, 5]  # not the item that was taken
    assert [ranking_loss(name, 5).whole_table for name in LOSSES] == [name == "ce" for name in LOSSES]


def test_vectors_of_a_step_are_looked_up_where_its_table_has_them():
    """A step's table holds the items that it needs, in any order; the losses ask for items, not for rows."""
    states, table, targets = problem(positions=4, n_items=9)
    order = torch.tensor([7, 2, 0, 9, 1, 4, 3, 8, 5, 6])
    drawn = torch.tensor([3, 9, 1, 1])
    plain = step(states, table, targets, drawn)
    moved = replace(plain, table=table[order], row=order.argsort())
    for name in ("bpr", "bce", "sampled"):
        assert torch.equal(ranking_loss(name, 9)(moved), ranking_loss(name, 9)(plain))
    assert torch.equal(moved.vectors(torch.tensor([[5, 0], [2, 9]])), table[torch.tensor([[5, 0], [2, 9]])])


@pytest.mark.parametrize("rows", [1, 4, 23, 64])
def test_blocked_softmax_is_cross_entropy_in_value_and_gradient(monkeypatch, rows):
    """Whatever the block: one position, a last block that is not full, exactly all positions, more than there are."""
    states, table, targets = problem()
    monkeypatch.setattr(blocks, "LEAST_ROWS", 1)
    monkeypatch.setattr(blocks, "BLOCK_SCORES", rows * 17)
    computed = with_gradients(lambda s, t: softmax(s, t, targets), states, table)
    expected = with_gradients(lambda s, t: F.cross_entropy(s @ t[1:].T, targets - 1), states.double(), table.double())
    for value, exact in zip(computed, expected, strict=True):
        torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=1e-6)
    assert computed[2][0].abs().max() == 0  # padding


def test_a_block_bounds_the_scores_that_exist_at_once(monkeypatch):
    states, table, targets = problem()
    shapes = []
    original = torch.Tensor.logsumexp

    def seen(scores, **options):
        shapes.append(tuple(scores.shape))
        return original(scores, **options)

    monkeypatch.setattr(torch.Tensor, "logsumexp", seen)
    monkeypatch.setattr(blocks, "BLOCK_SCORES", 100)
    monkeypatch.setattr(blocks, "LEAST_ROWS", 2)
    softmax(states, table, targets)
    assert shapes == [(5, 17)] * 4 + [(3, 17)]
    shapes.clear()
    monkeypatch.setattr(blocks, "LEAST_ROWS", 16)
    softmax(states, table, targets)
    assert shapes == [(16, 17), (7, 17)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_blocked_softmax_in_bfloat16_autocast(monkeypatch, dtype):
    """Products in bfloat16 (a table in float32, or in bfloat16 as a projector makes it); sums over positions in float32."""
    states, table, targets = problem(positions=200)
    monkeypatch.setattr(blocks, "LEAST_ROWS", 8)
    monkeypatch.setattr(blocks, "BLOCK_SCORES", 1)
    with torch.autocast("cpu", torch.bfloat16):
        computed = with_gradients(lambda s, t: softmax(s, t.to(dtype), targets), states, table)
    expected = with_gradients(lambda s, t: F.cross_entropy(s @ t[1:].T, targets - 1), states, table)
    assert computed[0].dtype == torch.float32 and computed[0].item() == pytest.approx(expected[0].item(), rel=0.01)
    for gradient, exact in zip(computed[1:], expected[1:], strict=True):
        assert gradient.dtype == torch.float32 and (gradient - exact).norm() < 0.02 * exact.norm()


def test_blocked_softmax_is_what_a_float64_difference_says():
    states, table, targets = problem(positions=3, n_items=4, dim=2)
    _, gradient, _ = with_gradients(lambda s, t: softmax(s, t, targets), states, table)
    for index in range(3):
        for axis in range(2):
            step = torch.zeros(3, 2, dtype=torch.float64)
            step[index, axis] = 1e-5
            above, below = (
                F.nll_loss(torch.log_softmax((states.double() + sign * step) @ table[1:].double().T, 1), targets - 1)
                for sign in (1, -1)
            )
            assert gradient[index, axis].item() == pytest.approx(3 * (above - below).item() / 2e-5, abs=1e-4)


def test_sampled_softmax_is_its_formula():
    """−s⁺ + ln(exp s⁺ + (n / K) Σ exp s⁻) over the drawn negatives that are not the target, repeats counted."""
    states, table, targets = problem(positions=5, n_items=9)
    drawn = torch.tensor([4, 2, 4, 9, int(targets[0]), int(targets[3])])
    loss = sampled_softmax(states, table, targets, drawn)
    total = 0.0
    for state, target in zip(states.double(), targets.tolist(), strict=True):
        others = [item for item in drawn.tolist() if item != target]
        positive = math.exp(state @ table[target].double())
        negative = sum(math.exp(state @ table[item].double()) for item in others)
        total += math.log(positive + 9 / len(drawn) * negative) - math.log(positive)
    assert loss.item() == pytest.approx(total / 5, rel=1e-5)


def test_sampled_softmax_over_every_item_once_is_the_softmax():
    states, table, targets = problem()
    drawn = torch.randperm(17, generator=torch.Generator().manual_seed(1)) + 1
    sampled = with_gradients(lambda s, t: sampled_softmax(s, t, targets, drawn), states, table)
    full = with_gradients(lambda s, t: softmax(s, t, targets), states, table)
    for estimate, exact in zip(sampled, full, strict=True):
        torch.testing.assert_close(estimate, exact, rtol=1e-4, atol=1e-5)


def test_the_sampled_denominator_is_unbiased():
    """Over many draws the mean of exp(loss) · exp(s⁺), the estimated denominator, is that of the softmax (5 sigma)."""
    states, table, _ = problem(positions=1, n_items=4)
    table, states = table / 4, states / 2
    target, sampled = torch.tensor([2]), ranking_loss("sampled", 4)
    generator = torch.Generator().manual_seed(2)
    estimates = []
    for _ in range(4000):
        drawn = torch.randint(1, 5, (3,), generator=generator)
        loss = sampled(step(states, table, target, drawn))
        estimates.append((loss + (states @ table[2])).exp().item())
    estimates = torch.tensor(estimates, dtype=torch.float64)
    expected = (states @ table[1:].T).exp().sum().item()
    error = estimates.std().item() / len(estimates) ** 0.5
    assert error < 0.02 * expected  # else this test could not fail
    assert estimates.mean().item() == pytest.approx(expected, abs=5 * error)


def test_a_target_among_its_own_negatives_does_not_compete():
    states, table, _ = problem(positions=2)
    targets, drawn = torch.tensor([3, 5]), torch.tensor([3, 3])
    loss = sampled_softmax(states[:1], table, targets[:1], drawn)
    assert loss.item() == 0.0  # nothing competes with item 3
    assert sampled_softmax(states, table, targets, drawn).item() > 0


def test_extreme_scores_stay_finite():
    states, vectors = torch.full((1, 2), 1e4), torch.full((1, 2), 1e4)
    target, table = torch.tensor([1]), torch.stack([torch.zeros(2), torch.full((2,), -1e4), torch.full((2,), 1e4)])
    computed = (
        pairwise("bpr", states, -vectors, vectors),
        pairwise("bce", states, -vectors, vectors),
        softmax(states, table, target),
        sampled_softmax(states, table, target, torch.tensor([2])),
    )
    assert all(torch.isfinite(loss) and loss > 1e4 for loss in computed)


def test_seen_items_do_not_compete_and_the_target_always_does(monkeypatch):
    """Against cross-entropy over the scores with the seen columns at minus infinity, in value and gradient."""
    monkeypatch.setattr(blocks, "BLOCK_SCORES", 1)
    monkeypatch.setattr(blocks, "LEAST_ROWS", 2)
    random = torch.Generator().manual_seed(3)
    states = torch.randn(3, 4, generator=random, requires_grad=True)
    table = torch.randn(7, 4, generator=random, requires_grad=True)
    histories = torch.tensor([[2, 5, 3], [6, 0, 0]])
    seen = Seen(histories, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]))
    targets = torch.tensor([5, 2, 4])  # the second is in its own history: a repeated item
    scores = states @ table[1:].T
    hidden = torch.zeros(3, 6, dtype=torch.bool)
    hidden[0, 1] = hidden[1, 4] = hidden[2, 5] = True
    expected = torch.nn.functional.cross_entropy(scores.masked_fill(hidden, -torch.inf), targets - 1)
    computed = softmax(states, table, targets, seen)
    torch.testing.assert_close(computed, expected)
    gradients, exact = (torch.autograd.grad(loss, [states, table]) for loss in (computed, expected))
    for gradient, of_formula in zip(gradients, exact, strict=True):
        torch.testing.assert_close(gradient, of_formula)
