"""The trainer: it learns, the same seed gives the same run, and an interrupted run ends as if it had not been."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import NonFiniteError
from genair_engine.losses.extra import association, calibration
from genair_engine.methods.config import RunConfig
from genair_engine.training import trainer
from genair_engine.training.trainer import Progress, Trainer
from tests.methods import building

SMALL = {"dim": 8, "layers": 1, "dropout": 0.2, "batch_size": 3, "epochs": 4, "patience": 4, "max_len": 10}


def make(dataset, **changes) -> Trainer:
    return building.trainer(dataset, RunConfig.of(**(SMALL | changes)))


def weights(run: Trainer) -> dict[str, torch.Tensor]:
    return run.model.state_dict()


BACKBONES = ["sasrec", "bert4rec", "gru4rec"]
RUNS = {  # every backbone, every loss, every method, both kernels, and all that draws at random
    "sasrec": {"loss": "ce", "method": "genair", "calibration_items": 3, "schedule": "cosine", "projector_dropout": 0.2},
    "bert4rec": {"backbone": "bert4rec", "loss": "bce", "method": "genair-id", "residual_decay": 0.1},
    "gru4rec": {"backbone": "gru4rec", "loss": "sampled", "method": "id", "negatives": 4, "weight_decay": 0.01, "layers": 2},
    "public-code": {"preset": "public-code", "loss": "bpr", "method": "genair", "epochs": 4, "patience": 4},
    "llminit": {"backbone": "gru4rec", "loss": "ce", "method": "llminit", "targets": "last", "shortcut": True},
}


@pytest.mark.parametrize("loss, method", [("ce", "genair"), ("sampled", "genair-id"), ("bce", "llminit"), ("bpr", "id")])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_loss_falls(tiny, backbone, loss, method):
    setting = {"epochs": 25, "patience": 25, "learning_rate": 0.03, "dropout": 0.0}
    if loss == "sampled":
        setting["negatives"] = 20
    run = make(tiny, backbone=backbone, loss=loss, method=method, **setting)
    history = run.fit().history
    first, last = (np.mean([record.losses["rank"] for record in part]) for part in (history[:4], history[-4:]))
    assert last < 0.85 * first
    assert ("calibration" in history[0].losses) == (method in ("genair", "genair-id"))
    assert run.bfloat16 is False  # precision auto on a CPU


@pytest.mark.parametrize("backbone, epochs, least", [("sasrec", 40, 0.95), ("gru4rec", 40, 0.95), ("bert4rec", 80, 0.7)])
def test_it_learns_what_comes_next(backbone, epochs, least):
    """In a circle of 20 items everyone takes the next one: held-out items are found, though items are mere names.

    By chance it would be one of some 14. BERT4Rec, which must find out what precedes a mask token, needs more data for all.
    """
    rng = np.random.default_rng(4)
    histories = [((rng.integers(20) + np.arange(rng.integers(6, 10))) % 20 + 1).tolist() for _ in range(60)]
    items = pd.DataFrame({"item_id": [str(item) for item in range(20)]})
    circle = Dataset("circle", items, Sequences.from_lists(histories), [str(user) for user in range(60)])
    setting = {"method": "id", "dim": 16, "learning_rate": 0.02, "batch_size": 20, "averaging": 0.5}
    history = make(circle, backbone=backbone, epochs=epochs, patience=epochs, **setting).fit().history
    assert history[-1].valid["HR@1"] > least


@pytest.mark.parametrize("run", RUNS)
def test_the_same_seed_gives_the_same_run(tiny, run):
    first, second, other = make(tiny, **RUNS[run]), make(tiny, **RUNS[run]), make(tiny, **RUNS[run], seed=1)
    records = [[record.losses for record in trained.fit().history] for trained in (first, second, other)]
    assert records[0] == records[1] != records[2]
    assert all(torch.equal(a, b) for a, b in zip(weights(first).values(), weights(second).values(), strict=True))


@pytest.mark.parametrize("run", RUNS)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_by_bit(tiny, run):
    whole = make(tiny, **RUNS[run])
    whole.fit()

    class Interrupted(Exception):
        pass

    def stop_after_two(record):
        if record.epoch == 2:
            raise Interrupted

    half = make(tiny, **RUNS[run])
    with pytest.raises(Interrupted):
        half.fit(stop_after_two)
    tensors, progress = half.state(), Progress.from_json(json.loads(json.dumps(half.progress.to_json())))
    torch.rand(17)  # whatever else happened in the meantime
    resumed = make(tiny, **RUNS[run])
    with torch.no_grad():
        for parameter in resumed.model.parameters():
            parameter.normal_()
    resumed.resume(tensors, progress)
    resumed.fit()
    assert [r.losses for r in resumed.progress.history] == [r.losses for r in whole.progress.history]
    assert [r.valid for r in resumed.progress.history] == [r.valid for r in whole.progress.history]
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(resumed).values(), strict=True))
    assert all(torch.equal(value, resumed.state()[name]) for name, value in whole.state().items())  # the average, too


def test_training_does_not_touch_the_global_random_state(tiny):
    run = make(tiny)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run.fit()
    assert torch.equal(torch.rand(3), expected)


def test_the_best_epoch_is_kept_and_patience_stops(tiny, monkeypatch):
    scores = iter([0.1, 0.4, 0.3, 0.2, 0.4, 0.0])
    run = make(tiny, epochs=50, patience=3)
    seen = []

    def validate(self):
        seen.append({name: value.clone() for name, value in self.average.items()})
        return {trainer.STOPPING_METRIC: next(scores)}

    monkeypatch.setattr(Trainer, "validate", validate)
    progress = run.fit()
    assert (progress.best_epoch, progress.epochs_done) == (2, 5)  # an equal score is not a better one
    assert all(torch.equal(weights(run)[name], value) for name, value in seen[1].items())


@pytest.mark.parametrize("decay", [0.0, 0.2, 0.9])
def test_the_running_average_of_the_weights(tiny, decay, monkeypatch):
    """Its decay grows as (1 + n) / (10 + n) with the run's steps n, so that the random first weights are soon forgotten."""
    run = make(tiny, averaging=decay)
    expected = {name: value.clone() for name, value in weights(run).items()}
    plain, steps = Trainer.step, 0

    def step(self, batch):
        nonlocal steps
        losses, steps = plain(self, batch), steps + 1
        kept = min(decay, (1 + steps) / (10 + steps))
        for name, value in weights(run).items():
            expected[name] = kept * expected[name] + (1 - kept) * value
        return losses

    monkeypatch.setattr(Trainer, "step", step)
    for epoch in (1, 2):
        run._epoch(epoch)
    for name, value in run.average.items():
        torch.testing.assert_close(value, expected[name])
    before = {name: value.clone() for name, value in weights(run).items()}
    run.validate()  # measures the average, and puts the weights back
    assert all(torch.equal(weights(run)[name], value) for name, value in before.items())


def test_one_step_an_epoch_is_not_stopped_by_an_average_that_has_not_moved_yet():
    """120 users fit one batch: with a constant decay the average stayed at the random weights until patience ran out."""
    from genair_engine.catalog.synthetic import synthetic_dataset

    shop = synthetic_dataset(120, 60, 960)
    setting = {
        "method": "id",
        "dim": 16,
        "batch_size": 120,
        "learning_rate": 0.01,
        "epochs": 60,
        "patience": 10,
        "max_len": 20,
    }
    averaged, plain = (make(shop, averaging=averaging, **setting).fit() for averaging in (0.99, 0.0))
    assert averaged.best_epoch > 20 and averaged.best_score > 0.8 * plain.best_score


def test_alpha_zero_computes_no_calibration(tiny, monkeypatch):
    def never(*_):
        raise AssertionError("calibration was computed")

    monkeypatch.setattr(calibration, "calibration_loss", never)
    monkeypatch.setattr(association, "Association", never)
    record = make(tiny, alpha=0.0, epochs=1).fit().history[0]
    assert record.losses["total"] == record.losses["rank"]


@pytest.mark.parametrize("loss", ["ce", "sampled", "bce", "bpr"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_divergence_names_step_and_cause(tiny, backbone, loss):
    run = make(tiny, backbone=backbone, loss=loss)
    spoil(run)
    with pytest.raises(NonFiniteError, match=rf"epoch 1, step 1 of {len(run.batches)}: the rank loss is not finite"):
        run.fit()


def before_step(run: Trainer, number: int, act) -> list[int]:
    """Calls `act` before that step, counted over the whole run; the list holds all steps that were begun."""
    begun, step = [], run.step

    def stepping(batch):
        begun.append(len(begun) + 1)
        if len(begun) == number:
            act()
        return step(batch)

    run.step = stepping
    return begun


def spoil(run: Trainer) -> None:
    with torch.no_grad():
        run.model.items.projector[0].weight[0, 0] = float("nan")


@pytest.mark.parametrize("number, epoch, step", [(2, 1, 2), (4, 2, 1), (6, 2, 3)])
def test_divergence_in_the_middle_of_a_run_names_the_step_at_which_it_began(tiny, number, epoch, step):
    run = make(tiny)
    before_step(run, number, lambda: spoil(run))
    with pytest.raises(NonFiniteError, match=f"epoch {epoch}, step {step} of 3: the rank loss is not finite"):
        run.fit()
    assert run.progress.epochs_done == epoch - 1  # no checkpoint of the epoch that diverged


def test_divergence_stops_a_long_epoch_soon(tiny, monkeypatch):
    monkeypatch.setattr(trainer, "CHECK_EVERY", 4)
    run = make(tiny, batch_size=1)
    begun = before_step(run, 3, lambda: spoil(run))
    with pytest.raises(NonFiniteError, match=f"step 3 of {len(run.batches)}"):
        run.fit()
    assert begun[-1] == 4 < len(run.batches)


def test_divergence_names_the_calibration_where_that_is_the_cause(tiny, monkeypatch):
    run = make(tiny)
    monkeypatch.setattr(calibration, "calibration_loss", lambda vectors, *_: vectors.sum() * float("inf"))
    with pytest.raises(NonFiniteError, match=r"step 1 of 3: the calibration loss is not finite.*smaller weight of the calibr"):
        run.fit()


def test_divergence_in_the_last_step_of_an_epoch_is_not_kept(tiny):
    """Its loss was finite and its gradients were not: what is validated then has no finite scores."""
    run = make(tiny)

    def spoil_gradient():
        run.model.items.projector[0].bias.register_hook(lambda gradient: gradient * float("nan"))

    before_step(run, 3, spoil_gradient)
    with pytest.raises(NonFiniteError, match="training has diverged"):
        run.fit()
    assert run.progress.epochs_done == 0


@pytest.mark.parametrize("loss", ["ce", "bce"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_bfloat16_stays_close_to_float32(tiny, backbone, loss):
    runs = [
        make(tiny, backbone=backbone, loss=loss, dropout=0.0, precision=precision, averaging=0.0).fit().history
        for precision in ("float32", "auto", "bfloat16")
    ]
    plain, auto, low = ([record.losses for record in history] for history in runs)
    assert plain == auto != low
    for exact, losses in zip(plain, low, strict=True):
        assert losses == pytest.approx(exact, rel=0.03)


def test_bfloat16_is_of_products_only(tiny):
    run = make(tiny, precision="bfloat16", epochs=2)
    run.fit()
    assert {value.dtype for value in run.state().values()} == {torch.float32}


def test_the_cosine_schedule(tiny):
    """Up over the first epoch, then half a cosine over all of them, to zero."""
    run = make(tiny, schedule="cosine", learning_rate=0.5, epochs=2, patience=2)
    rates, step = [], run.step
    run.step = lambda batch: rates.append(run.optimizer.param_groups[0]["lr"]) or step(batch)
    run.fit()
    cosine = [(1 + math.cos(math.pi * k / 6)) / 2 for k in range(1, 7)]
    expected = [0.5 * warm * value for warm, value in zip([1 / 3, 2 / 3, 1, 1, 1, 1], cosine, strict=True)]
    assert rates == pytest.approx(expected) and rates[-1] == pytest.approx(0.0, abs=1e-12)


def test_decay_of_the_residual_is_of_the_residual_alone(tiny):
    """What nothing else moves: a free vector of an item that no loss reads shrinks by lr · decay a step."""
    decayed = make(tiny, method="genair-id", loss="bpr", residual_decay=10.0, learning_rate=0.01, epochs=1, alpha=0.0)
    plain = make(tiny, method="genair-id", loss="bpr", learning_rate=0.01, epochs=1, alpha=0.0)
    for run in (decayed, plain):
        with torch.no_grad():
            run.model.items.residual.weight[12] = 1.0  # never taken, and never drawn here
        run.objective.ranking.sampler.draw = lambda users: torch.full_like(users, 11)
        for batch in run.batches.epoch(np.random.default_rng(0), torch.device("cpu")):
            run.step(batch)
    torch.testing.assert_close(decayed.model.items.residual.weight[12], torch.full((8,), 0.9**3))
    assert torch.equal(plain.model.items.residual.weight[12], torch.ones(8))


@pytest.mark.parametrize("run", RUNS)
def test_held_out_items_change_no_weight(tiny, run):
    """Nothing of validation and test items reaches training: swap them all, and the weights come out the same."""
    changed = tiny.sequences.items.copy()
    for user in tiny.split.users:
        end = tiny.sequences.offsets[user + 1]
        changed[end - 2 : end] = [12, 11]
    other = type(tiny)("other", tiny.items, type(tiny.sequences)(changed, tiny.sequences.offsets), tiny.user_ids)
    first, second = (make(data, **(RUNS[run] | {"epochs": 2})) for data in (tiny, other))
    for trained in (first, second):  # fit() would choose the best epoch by validation items
        for epoch in (1, 2):
            trained._epoch(epoch)
    states = [trained.state() for trained in (first, second)]
    trained = [name for name in states[0] if not name.startswith("best.")]
    assert trained and all(torch.equal(states[0][name], states[1][name]) for name in trained)
