"""The trainer: it learns, the same seed gives the same run, and an interrupted run ends as if it had not been."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from genair_engine.catalog.negatives import draw_negatives
from genair_engine.errors import NonFiniteError
from genair_engine.methods.registry import build_recommender
from genair_engine.training import losses, objective, trainer
from genair_engine.training.calibration import calibration_loss
from genair_engine.training.config import TrainingConfig
from genair_engine.training.trainer import Progress, Trainer

SMALL = {"dim": 8, "layers": 1, "dropout": 0.2, "batch_size": 3, "epochs": 4, "patience": 4, "max_len": 10}


def make(dataset, **changes) -> Trainer:
    config = TrainingConfig(**(SMALL | changes))
    torch.manual_seed(config.seed)
    rows = torch.randn(dataset.n_items, 6, generator=torch.Generator().manual_seed(9))
    model = build_recommender(config, dataset.n_items, None if config.method == "id" else rows)
    negatives = draw_negatives(dataset.sequences, dataset.split.users, dataset.n_items, count=4)
    return Trainer(model, dataset, negatives, config)


def weights(one: Trainer) -> dict[str, torch.Tensor]:
    return one.model.state_dict()


@pytest.mark.parametrize("method", ["genair", "id"])
@pytest.mark.parametrize("loss", ["ce", "bce", "bpr"])
def test_the_loss_falls(tiny, method, loss):
    one = make(tiny, method=method, loss=loss, epochs=40, patience=40, learning_rate=0.01, dropout=0.0)
    history = one.fit().history
    first, last = (np.mean([record.losses["rank"] for record in part]) for part in (history[:5], history[-5:]))
    assert last < 0.8 * first
    assert ("calibration" in history[0].losses) == (method == "genair")


@pytest.mark.parametrize("loss", ["ce", "bce", "bpr"])
def test_the_same_seed_gives_the_same_run(tiny, loss):
    first, second, other = make(tiny, loss=loss), make(tiny, loss=loss), make(tiny, loss=loss, seed=1)
    records = [[record.losses for record in one.fit().history] for one in (first, second, other)]
    assert records[0] == records[1] != records[2]
    assert all(torch.equal(a, b) for a, b in zip(weights(first).values(), weights(second).values(), strict=True))


@pytest.mark.parametrize("loss", ["ce", "bce"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_by_bit(tiny, loss):
    whole = make(tiny, loss=loss)
    whole.fit()

    class Interrupted(Exception):
        pass

    def stop_after_two(record):
        if record.epoch == 2:
            raise Interrupted

    half = make(tiny, loss=loss)
    with pytest.raises(Interrupted):
        half.fit(stop_after_two)
    tensors, progress = half.state(), Progress.from_json(half.progress.to_json())
    torch.rand(17)  # whatever else happened in the meantime
    resumed = make(tiny, loss=loss)
    with torch.no_grad():
        for parameter in resumed.model.parameters():
            parameter.normal_()
    resumed.resume(tensors, progress)
    resumed.fit()
    assert [r.losses for r in resumed.progress.history] == [r.losses for r in whole.progress.history]
    assert [r.valid for r in resumed.progress.history] == [r.valid for r in whole.progress.history]
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(resumed).values(), strict=True))


def test_training_does_not_touch_the_global_random_state(tiny):
    one = make(tiny)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one.fit()
    assert torch.equal(torch.rand(3), expected)


def test_the_best_epoch_is_kept_and_patience_stops(tiny, monkeypatch):
    scores = iter([0.1, 0.4, 0.3, 0.2, 0.4, 0.0])
    one = make(tiny, epochs=50, patience=3)
    seen = []

    def validate(self):
        seen.append({name: value.clone() for name, value in self.average.items()})
        return {trainer.STOPPING_METRIC: next(scores)}

    monkeypatch.setattr(Trainer, "validate", validate)
    progress = one.fit()
    assert (progress.best_epoch, progress.epochs_done) == (2, 5)  # an equal score is not a better one
    assert all(torch.equal(weights(one)[name], value) for name, value in seen[1].items())


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_running_average_of_the_weights(tiny, decay):
    one = make(tiny, averaging=decay)
    expected = {name: value.clone() for name, value in weights(one).items()}
    for batch in one.batches.epoch(np.random.default_rng(0), torch.device("cpu")):
        one.step(batch)
        for name, value in weights(one).items():
            expected[name] = decay * expected[name] + (1 - decay) * value
    for name, value in one.average.items():
        torch.testing.assert_close(value, expected[name])
    before = {name: value.clone() for name, value in weights(one).items()}
    one.validate()  # measures the average, and puts the weights back
    assert all(torch.equal(weights(one)[name], value) for name, value in before.items())


def test_one_step_has_the_loss_of_the_whole_table(tiny):
    """Projecting only the items that a step needs, and their unique vectors for calibration, changes no value."""
    for loss in ("bce", "bpr"):
        one = make(tiny, loss=loss, dropout=0.0, alpha=0.5)
        batch = next(one.batches.epoch(np.random.default_rng(0), torch.device("cpu")))
        drawn = torch.arange(int((batch.targets != 0).sum())) % tiny.n_items + 1
        one.objective.sampler.draw = lambda users, drawn=drawn: drawn
        with torch.no_grad():
            table = one.model.items.all_vectors()
            real = batch.targets != 0
            states = one.model.states(batch.inputs, table, batch.lengths)[real]
            positives = F.embedding(batch.targets[real], table)
            rank = getattr(losses, loss)(states, positives, F.embedding(drawn, table))
            unique = torch.unique(batch.targets[real])
            calibration = calibration_loss(table[unique], one.objective.association.between(unique), 2.0, 3.0)
        parts = one.step(batch)
        torch.testing.assert_close(parts["rank"], rank)
        torch.testing.assert_close(parts["calibration"], calibration)
        torch.testing.assert_close(parts["total"], rank + 0.5 * calibration)


def test_alpha_zero_computes_no_calibration(tiny, monkeypatch):
    def never(*_):
        raise AssertionError("calibration was computed")

    monkeypatch.setattr(objective, "calibration_loss", never)
    monkeypatch.setattr(objective, "Association", never)
    record = make(tiny, alpha=0.0, epochs=1).fit().history[0]
    assert record.losses["total"] == record.losses["rank"]


@pytest.mark.parametrize("loss", ["ce", "bce"])
def test_divergence_names_step_and_cause(tiny, loss):
    one = make(tiny, loss=loss)
    with torch.no_grad():
        one.model.items.projector[0].weight[0, 0] = float("nan")
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 1 of 3: the rank loss is not finite"):
        one.fit()


def test_held_out_items_change_no_weight(tiny):
    """Nothing of validation and test items reaches training: swap them all, and the weights come out the same."""
    changed = tiny.sequences.items.copy()
    for user in tiny.split.users:
        end = tiny.sequences.offsets[user + 1]
        changed[end - 2 : end] = [12, 11]
    other = type(tiny)("other", tiny.items, type(tiny.sequences)(changed, tiny.sequences.offsets), tiny.user_ids)
    first, second = make(tiny, loss="bce", epochs=2), make(other, loss="bce", epochs=2)
    second.negatives = first.negatives
    records = [[record.losses for record in one.fit().history] for one in (first, second)]
    assert records[0] == records[1]


def test_contradictory_configuration_is_refused():
    with pytest.raises(ValueError, match=r"heads \(3\) must divide dim \(8\)"):
        TrainingConfig(dim=8, heads=3)
