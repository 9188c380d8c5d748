"""The objective of a step: its parts, what they are computed from, and the share that a process takes of a batch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from genair_engine.catalog.sequences import Sequences
from genair_engine.methods.registry import build_recommender
from genair_engine.training import losses, objective
from genair_engine.training.batches import Batch
from genair_engine.training.calibration import Association, calibration_loss
from genair_engine.training.config import TrainingConfig
from genair_engine.training.objective import Objective, batch_source

CPU = torch.device("cpu")
N_ITEMS = 30
TRAIN = Sequences.from_lists(
    ((user + 3 * np.arange(length)) % 11 + 1).tolist() for user, length in enumerate([2, 5, 3, 8, 4, 6, 2])
)
SMALL = {"dim": 8, "layers": 1, "dropout": 0.0, "max_len": 7, "batch_size": 7, "negatives": 9, "alpha": 0.5}
BACKBONES = ["sasrec", "bert4rec", "gru4rec"]


def make(rank: int = 0, world: int = 1, **changes) -> Objective:
    config = TrainingConfig(**(SMALL | changes))
    torch.manual_seed(0)
    rows = torch.randn(N_ITEMS, 6, generator=torch.Generator().manual_seed(9))
    model = build_recommender(config, N_ITEMS, None if config.method == "id" else rows)
    return Objective(model, TRAIN, config, CPU, rank, world)


def first_batch(one: Objective) -> Batch:
    return next(batch_source(TRAIN, one.model, one.config).epoch(np.random.default_rng(0), CPU))


def gradients(one: Objective) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in one.named_parameters()}


@pytest.mark.parametrize("method", ["genair", "genair-id", "llminit", "id"])
@pytest.mark.parametrize("loss", ["ce", "sampled", "bce", "bpr"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_projecting_what_a_step_needs_changes_no_loss_and_no_gradient(backbone, loss, method):
    """Against the same losses computed from the whole table; also after a step that needed other items."""
    changes = {"backbone": backbone, "loss": loss, "method": method, "shortcut": backbone == "sasrec"}
    one, whole = make(**changes), make(**changes)
    batch = first_batch(one)
    one(batch.rows(slice(0, 2)))
    drawn = []
    draw = one._draw
    one._draw = lambda users: drawn.append(draw(users)) or drawn[-1]
    parts = one(batch)
    parts["total"].backward()

    asked = batch.targets != 0
    targets, table = batch.targets[asked], whole.model.items.all_vectors()
    states = whole.model.states(batch.inputs, batch.inputs, table, batch.lengths, batch.masked)[asked]
    negatives = F.embedding(drawn[0], table)
    if loss == "ce":
        assert len(drawn[0]) == 0
        rank = F.cross_entropy(states @ table[1:].T, targets - 1)
    elif loss == "sampled":
        assert drawn[0].shape == (9,)
        rank = losses.sampled_softmax(states, F.embedding(targets, table), targets, negatives, drawn[0], N_ITEMS)
    else:
        rank = getattr(losses, loss)(states, F.embedding(targets, table), negatives)
        taken = [set(TRAIN[int(user)].tolist()) for user in batch.users]
        rows = torch.arange(len(batch.users)).repeat_interleave(asked.sum(dim=1))
        assert all(item not in taken[row] for row, item in zip(rows.tolist(), drawn[0].tolist(), strict=True))
    total = rank
    if method in ("genair", "genair-id"):
        distinct = torch.unique(targets)
        calibration = calibration_loss(table[distinct], Association(TRAIN, N_ITEMS).between(distinct), 2.0, 3.0)
        torch.testing.assert_close(parts["calibration"], calibration)
        total = rank + 0.5 * calibration
    torch.testing.assert_close(parts["rank"], rank)
    torch.testing.assert_close(parts["total"], total)
    total.backward()
    for name, gradient in gradients(one).items():
        torch.testing.assert_close(gradient, gradients(whole)[name], rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("world, histories", [(2, 7), (3, 7), (4, 3)])
def test_the_mean_over_processes_is_the_whole_batch(backbone, world, histories):
    """Losses and gradients; of three histories the last of four processes has no share."""
    whole = make(backbone=backbone, method="genair-id")
    batch = first_batch(whole).rows(slice(0, histories))
    expected = whole(batch)
    expected["total"].backward()
    found, summed = [], {name: torch.zeros_like(one) for name, one in gradients(whole).items()}
    for rank in range(world):
        share = make(rank, world, backbone=backbone, method="genair-id")
        found.append(share(batch))
        found[-1]["total"].backward()
        for name, gradient in gradients(share).items():
            assert gradient is not None, name  # DistributedDataParallel waits for every one
            summed[name] += gradient
    assert world <= histories or found[-1]["rank"].item() == 0.0
    for name, value in expected.items():
        torch.testing.assert_close(torch.stack([parts[name] for parts in found]).mean(), value)
    for name, gradient in gradients(whole).items():
        torch.testing.assert_close(summed[name] / world, gradient, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("loss", ["sampled", "bce", "bpr"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_process_without_a_share_takes_part_under_every_loss(backbone, loss):
    share = make(3, 4, backbone=backbone, loss=loss)
    parts = share(first_batch(share).rows(slice(0, 3)))
    assert parts["rank"].item() == 0.0 and torch.isfinite(parts["total"])
    parts["total"].backward()
    assert all(gradient is not None for gradient in gradients(share).values())


def test_only_the_last_item_is_asked_for_where_the_configuration_says_so():
    one = make(backbone="gru4rec", targets="last", alpha=0.0)
    batch = first_batch(one)
    table = one.model.items.all_vectors()
    total = 0.0
    for user in range(len(TRAIN)):
        session = torch.from_numpy(TRAIN[user][:-1].astype(np.int64))[None, -7:]
        state = one.model.last_states(session, table)
        total -= torch.log_softmax(state @ table[1:].T, dim=1)[0, int(TRAIN[user][-1]) - 1]
    torch.testing.assert_close(one(batch)["rank"], total / len(TRAIN))


def test_the_public_codes_calibration_is_over_pairs_of_targets_with_duplicates():
    """−mean of w ‖e_i − e_j‖² over the n(n − 1)/2 pairs of targets, as methods.md 3.5 #1 and #14 describe it."""
    one = make(kernel="linear", gamma=4.0)
    batch = first_batch(one)
    targets = batch.targets[batch.targets != 0].tolist()
    assert len(targets) > len(set(targets))
    unit = F.normalize(one.model.items.all_vectors().double(), dim=1)
    association = Association(TRAIN, N_ITEMS).scores.toarray()
    pairs = [(i, j) for n, i in enumerate(targets) for j in targets[n + 1 :]]
    terms = [np.exp(-4.0 * association[i, j]) * (unit[i] - unit[j]).square().sum().item() for i, j in pairs]
    assert one(batch)["calibration"].item() == pytest.approx(-np.mean(terms), rel=1e-4)


def test_window_count_and_cap_of_the_calibration_arrive(monkeypatch):
    one = make(window=1, count_once=True, calibration_items=4)
    expected = Association(TRAIN, N_ITEMS, window=1, count_once=True).scores
    assert (one.association.scores != expected).nnz == 0
    assert (expected != Association(TRAIN, N_ITEMS).scores).nnz > 0
    seen = []
    original = objective.calibration_loss
    monkeypatch.setattr(objective, "calibration_loss", lambda v, *rest: seen.append(len(v)) or original(v, *rest))
    one(first_batch(one))
    assert seen == [4]


def test_all_items_that_a_batch_asks_for_are_calibrated_whatever_the_process():
    """Masked items, and those of other processes' histories."""
    values = []
    for rank in range(3):
        one = make(rank, 3, backbone="bert4rec", loss="bce")
        values.append(one(first_batch(one))["calibration"])
    assert values[0] == values[1] == values[2]


@pytest.mark.parametrize("method", ["id", "llminit"])
def test_methods_without_calibration_have_none(method):
    assert set(make(method=method)(first_batch(make(method=method)))) == {"rank", "total"}
    assert make(method="genair", alpha=0.0).association is None


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_what_was_seen_does_not_compete(backbone, world):
    """Under exclude_seen: up to each position, or of a cloze row all that is shown; but the target always does."""
    changes = {"backbone": backbone, "method": "id", "exclude_seen": True}
    shares = [make(rank, world, **changes) for rank in range(world)]
    batch = first_batch(shares[0])
    found = torch.stack([one(batch)["rank"] for one in shares]).mean()
    model = shares[0].model
    table = model.items.all_vectors()
    scores = model.states(batch.inputs, batch.inputs, table, batch.lengths, batch.masked) @ table.T
    terms = []
    for row, targets in enumerate(batch.targets.tolist()):
        for t, target in enumerate(targets):
            if target:
                shown = batch.inputs[row].tolist() if backbone == "bert4rec" else batch.inputs[row, : t + 1].tolist()
                rivals = [item for item in range(1, N_ITEMS + 1) if item == target or item not in shown]
                terms.append(scores[row, t, rivals].logsumexp(dim=0) - scores[row, t, target])
    torch.testing.assert_close(found, torch.stack(terms).mean())
