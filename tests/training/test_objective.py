"""The objective of a step: its parts, what they are computed from, and the share that a process takes of a batch."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.losses.base import ExtraLoss
from genair_engine.losses.extra import calibration
from genair_engine.losses.extra.association import Association
from genair_engine.losses.extra.calibration import calibration_loss
from genair_engine.methods.base import TrainContext
from genair_engine.methods.config import RunConfig
from genair_engine.methods.registry import METHODS
from genair_engine.models.batch import Batch
from genair_engine.training.objective import Objective, batch_source, ranking_loss
from tests.methods import building

CPU = torch.device("cpu")
N_ITEMS = 30
HISTORIES = [((user + 3 * np.arange(length)) % 11 + 1).tolist() for user, length in enumerate([2, 5, 3, 8, 4, 6, 2])]
TRAIN = Sequences.from_lists(HISTORIES)
DATA = Dataset(
    "small",
    pd.DataFrame({"item_id": [f"i{item}" for item in range(1, N_ITEMS + 1)]}),
    Sequences.from_lists([*history, 29, 30] for history in HISTORIES),  # two items that are held out
    [f"u{user}" for user in range(len(HISTORIES))],
)
SMALL = {"dim": 8, "layers": 1, "dropout": 0.0, "max_len": 7, "batch_size": 7}
BACKBONES = ["sasrec", "bert4rec", "gru4rec"]


def configuration(changes: dict) -> RunConfig:
    """Nine negatives and a calibration of weight 0.5, where the loss and the method have them."""
    shared = {"negatives": 9} if changes.get("loss") == "sampled" else {}
    calibrated = {"alpha": 0.5} if METHODS[changes.get("method", "genair")].tags.calibrated else {}
    return RunConfig.of(**(SMALL | shared | calibrated | changes))


def make(rank: int = 0, world: int = 1, ranks: bool = True, extras: tuple[ExtraLoss, ...] = (), **changes) -> Objective:
    """The objective of the method's first stage, with more extra losses."""
    config = configuration(changes)
    torch.manual_seed(0)
    model = building.built(config, N_ITEMS)
    method = config.definition
    context = TrainContext(model, DATA, config.options, CPU)
    stage = method.stages(config.options, config.training)[0]
    ranking = ranking_loss(TRAIN, model, config, CPU) if ranks else None
    return Objective(model, ranking, [*method.losses(context, stage), *extras], CPU, rank, world)


def first_batch(objective: Objective, **changes) -> Batch:
    source = batch_source(TRAIN, objective.model, configuration(changes))
    return next(source.epoch(np.random.default_rng(0), CPU))


def gradients(objective: Objective) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in objective.named_parameters()}


@pytest.mark.parametrize("method", ["genair", "genair-id", "llminit", "id"])
@pytest.mark.parametrize("loss", ["ce", "sampled", "bce", "bpr"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_projecting_what_a_step_needs_changes_no_loss_and_no_gradient(backbone, loss, method):
    """Against the same losses computed from the whole table; also after a step that needed other items."""
    changes = {"backbone": backbone, "loss": loss, "method": method}
    if backbone == "sasrec":
        changes["shortcut"] = True
    objective, whole = make(**changes), make(**changes)
    batch = first_batch(objective, **changes)
    objective(batch.rows(slice(0, 2)))
    drawn = []
    draw = objective._draw
    objective._draw = lambda users: drawn.append(draw(users)) or drawn[-1]
    parts = objective(batch)
    parts["total"].backward()

    asked = batch.targets != 0
    targets, table = batch.targets[asked], whole.model.items.all_vectors()
    states = whole.model.states(batch, batch.inputs, table)[asked]
    positive = (states * F.embedding(targets, table)).sum(dim=1)
    if loss == "ce":
        assert len(drawn[0]) == 0
        rank = F.cross_entropy(states @ table[1:].T, targets - 1)
    elif loss == "sampled":
        assert drawn[0].shape == (9,)
        negative = states @ F.embedding(drawn[0], table).T + math.log(N_ITEMS / 9)
        negative = negative.masked_fill(drawn[0] == targets.unsqueeze(1), -torch.inf)
        rank = F.cross_entropy(torch.cat([positive.unsqueeze(1), negative], dim=1), torch.zeros_like(targets))
    else:
        negative = (states * F.embedding(drawn[0], table)).sum(dim=1)
        pairwise = {"bpr": -F.logsigmoid(positive - negative), "bce": F.softplus(-positive) + F.softplus(negative)}
        rank = pairwise[loss].mean()
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
    for name, gradient in gradients(objective).items():
        torch.testing.assert_close(gradient, gradients(whole)[name], rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("world, histories", [(2, 7), (3, 7), (4, 3)])
def test_the_mean_over_processes_is_the_whole_batch(backbone, world, histories):
    """Losses and gradients; of three histories the last of four processes has no share."""
    whole = make(backbone=backbone, method="genair-id")
    batch = first_batch(whole, backbone=backbone).rows(slice(0, histories))
    expected = whole(batch)
    expected["total"].backward()
    shares, summed = [], {name: torch.zeros_like(gradient) for name, gradient in gradients(whole).items()}
    for rank in range(world):
        share = make(rank, world, backbone=backbone, method="genair-id")
        shares.append(share(batch))
        shares[-1]["total"].backward()
        for name, gradient in gradients(share).items():
            assert gradient is not None, name  # DistributedDataParallel waits for every one
            summed[name] += gradient
    assert world <= histories or shares[-1]["rank"].item() == 0.0
    for name, value in expected.items():
        torch.testing.assert_close(torch.stack([parts[name] for parts in shares]).mean(), value)
    for name, gradient in gradients(whole).items():
        torch.testing.assert_close(summed[name] / world, gradient, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("loss", ["sampled", "bce", "bpr"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_process_without_a_share_takes_part_under_every_loss(backbone, loss):
    share = make(3, 4, backbone=backbone, loss=loss)
    parts = share(first_batch(share, backbone=backbone).rows(slice(0, 3)))
    assert parts["rank"].item() == 0.0 and torch.isfinite(parts["total"])
    parts["total"].backward()
    assert all(gradient is not None for gradient in gradients(share).values())


def test_only_the_last_item_is_asked_for_where_the_configuration_says_so():
    objective = make(backbone="gru4rec", targets="last", alpha=0.0)
    batch = first_batch(objective, backbone="gru4rec", targets="last")
    table = objective.model.items.all_vectors()
    total = 0.0
    for user in range(len(TRAIN)):
        session = torch.from_numpy(TRAIN[user][:-1].astype(np.int64))[None, -7:]
        state = objective.model.last_states(session, table)
        total -= torch.log_softmax(state @ table[1:].T, dim=1)[0, int(TRAIN[user][-1]) - 1]
    torch.testing.assert_close(objective(batch)["rank"], total / len(TRAIN))


def test_the_public_codes_calibration_is_over_pairs_of_targets_with_duplicates():
    """−mean of w ‖e_i − e_j‖² over the n(n − 1)/2 pairs of targets, as methods.md 3.5 #1 and #14 describe it."""
    objective = make(kernel="linear", gamma=4.0)
    batch = first_batch(objective)
    targets = batch.targets[batch.targets != 0].tolist()
    assert len(targets) > len(set(targets))
    unit = F.normalize(objective.model.items.all_vectors().double(), dim=1)
    association = Association(TRAIN, N_ITEMS).scores.toarray()
    pairs = [(i, j) for n, i in enumerate(targets) for j in targets[n + 1 :]]
    terms = [np.exp(-4.0 * association[i, j]) * (unit[i] - unit[j]).square().sum().item() for i, j in pairs]
    assert objective(batch)["calibration"].item() == pytest.approx(-np.mean(terms), rel=1e-4)


def test_window_count_and_cap_of_the_calibration_arrive(monkeypatch):
    objective = make(window=1, count_once=True, calibration_items=4)
    expected = Association(TRAIN, N_ITEMS, window=1, count_once=True).scores
    assert (objective.losses[0].association.scores != expected).nnz == 0
    assert (expected != Association(TRAIN, N_ITEMS).scores).nnz > 0
    seen = []
    original = calibration.calibration_loss
    monkeypatch.setattr(calibration, "calibration_loss", lambda v, *rest: seen.append(len(v)) or original(v, *rest))
    objective(first_batch(objective))
    assert seen == [4]


def test_all_items_that_a_batch_asks_for_are_calibrated_whatever_the_process():
    """Masked items, and those of other processes' histories."""
    values = []
    for rank in range(3):
        objective = make(rank, 3, backbone="bert4rec", loss="bce")
        values.append(objective(first_batch(objective, backbone="bert4rec"))["calibration"])
    assert values[0] == values[1] == values[2]


@pytest.mark.parametrize("method", ["id", "llminit"])
def test_methods_without_calibration_have_none(method):
    objective = make(method=method)
    assert set(objective(first_batch(objective))) == {"rank", "total"}
    assert make(method="genair", alpha=0.0).losses == ()


class Pull(ExtraLoss):
    """The squared length of the vectors of some items that no batch holds, times a factor of its own."""

    def __init__(self, name: str = "pull", weight: float = 0.25) -> None:
        super().__init__(name, weight)
        self.factor = nn.Parameter(torch.tensor(2.0))
        self.epochs = []

    def items(self, batch):
        return torch.tensor([27, 28, 27])

    def forward(self, step):
        self.epochs.append(step.epoch)
        return self.factor * step.vectors(torch.tensor([27, 28])).square().sum()


@pytest.mark.parametrize("loss", ["ce", "bpr"])
def test_an_extra_loss_gets_the_items_that_it_asks_for_and_is_weighted(loss):
    pull = Pull()
    objective = make(loss=loss, method="id", extras=(pull, Pull("push", -0.5)))
    objective.epoch = 7
    batch = first_batch(objective)
    assert not torch.isin(torch.tensor([27, 28]), torch.cat([batch.inputs, batch.targets])).any()
    parts = objective(batch)
    expected = 2.0 * objective.model.items.all_vectors()[27:29].square().sum()
    assert list(parts) == ["rank", "pull", "push", "total"] and pull.epochs == [7]
    torch.testing.assert_close(parts["pull"], expected)
    torch.testing.assert_close(parts["total"], parts["rank"] + 0.25 * expected - 0.5 * expected)
    parts["total"].backward()
    torch.testing.assert_close(pull.factor.grad, 0.25 * expected / 2.0)
    assert {"extras.0.factor", "extras.1.factor"} < set(dict(objective.named_parameters()))


def test_a_stage_may_have_extra_losses_only():
    """Nothing is drawn and nothing ranked; the batch's states are there for the losses."""
    objective = make(ranks=False, method="id", loss="bpr", extras=(Pull(),))
    parts = objective(first_batch(objective))
    assert list(parts) == ["pull", "total"]
    torch.testing.assert_close(parts["total"], 0.25 * parts["pull"])
    with pytest.raises(ValueError, match="has no loss"):
        make(ranks=False, method="id")


def test_what_a_step_shows():
    """Every predicted position with its history, its place in it, its target, and the vectors of all that the batch holds."""
    steps = []

    class Watch(Pull):
        def forward(self, step):
            steps.append(step)
            return super().forward(step)

    objective = make(1, 2, method="id", loss="bpr", extras=(Watch(),))
    batch = first_batch(objective)
    objective(batch)
    (step,), share = steps, batch.rows(slice(1, None, 2))
    assert torch.equal(step.batch.inputs, share.inputs) and torch.equal(step.batch.users, share.users)
    assert torch.equal(step.targets, share.targets[step.rows, step.places]) and (step.targets != 0).all()
    assert len(step.targets) == len(step.states) == len(step.drawn) == (share.targets != 0).sum()
    assert step.every_target.sort().values.tolist() == batch.targets[batch.targets != 0].sort().values.tolist()
    table = objective.model.items.all_vectors()
    for items in (share.inputs, step.targets, step.drawn, step.every_target):
        assert torch.equal(step.vectors(items), F.embedding(items, table))
    states = objective.model.states(share, share.inputs, table)
    torch.testing.assert_close(step.states, states[step.rows, step.places])


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_what_was_seen_does_not_compete(backbone, world):
    """Under exclude_seen: up to each position, or of a cloze row all that is shown; but the target always does."""
    changes = {"backbone": backbone, "method": "id", "exclude_seen": True}
    shares = [make(rank, world, **changes) for rank in range(world)]
    batch = first_batch(shares[0], **changes)
    mean = torch.stack([share(batch)["rank"] for share in shares]).mean()
    model = shares[0].model
    table = model.items.all_vectors()
    scores = model.states(batch, batch.inputs, table) @ table.T
    terms = []
    for row, targets in enumerate(batch.targets.tolist()):
        for t, target in enumerate(targets):
            if target:
                shown = batch.inputs[row].tolist() if backbone == "bert4rec" else batch.inputs[row, : t + 1].tolist()
                rivals = [item for item in range(1, N_ITEMS + 1) if item == target or item not in shown]
                terms.append(scores[row, t, rivals].logsumexp(dim=0) - scores[row, t, target])
    torch.testing.assert_close(mean, torch.stack(terms).mean())
