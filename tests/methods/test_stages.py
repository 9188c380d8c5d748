"""A method with all that a method may have: two stages, batches and parameters of their own, teachers, a hook an epoch."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from pydantic import Field
from torch import nn

from genair_engine.losses.base import ExtraLoss
from genair_engine.methods.base import ITEM_PARTS, Method, Source
from genair_engine.methods.config import RunConfig
from genair_engine.methods.item_parts import PartOptions
from genair_engine.methods.registry import METHODS
from genair_engine.methods.stages import Stage
from genair_engine.models import IdItems
from genair_engine.training import trainer
from genair_engine.training.batches import NextItemSource
from genair_engine.training.trainer import Progress, Trainer
from tests.methods import building

SMALL = {"method": "staged", "dim": 8, "layers": 1, "max_len": 6, "batch_size": 4, "dropout": 0.3}
UNTAKEN = 12  # an item of the tiny data set that nobody took


class StagedOptions(PartOptions):
    """Of the method that is made up here."""

    warm_epochs: int = Field(2, ge=0, description="epochs of pretraining")
    warm_rate: float = Field(0.05, gt=0, description="its learning rate")


class TeacherLoss(ExtraLoss):
    """Item vectors, through a matrix that is learnt, shall be what a frozen teacher says of the item."""

    def __init__(self, teacher: torch.Tensor, dim: int) -> None:
        super().__init__("teacher", 0.5)
        self.teacher = nn.Embedding.from_pretrained(nn.functional.pad(teacher, (0, 0, 1, 0)), freeze=True)
        self.read = nn.Linear(dim, teacher.shape[1])

    def items(self, batch):
        return torch.tensor([UNTAKEN])

    def forward(self, step):
        items = torch.cat([step.every_target, torch.tensor([UNTAKEN])])
        return (self.read(step.vectors(items)) - self.teacher(items)).square().mean()


class SecondViewLoss(ExtraLoss):
    """States of the same histories under other dropout shall be the same. It holds the model, whose weights it doesn't own."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__("view", 0.1)
        self.model = model

    def forward(self, step):
        states = self.model.states(step.batch, step.row[step.batch.inputs], step.table)
        return (states[step.batch.targets != 0] - step.states).square().mean()


class Staged(Method[StagedOptions]):
    """Free vectors that a teacher warms up before the main training."""

    name = "staged"
    purpose = "made up for this test"
    source = Source("ours")
    options = StagedOptions
    needs = (ITEM_PARTS,)

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, dict[str, torch.Tensor]]] = []

    def build(self, context):
        return context.sequence_recommender(IdItems(context.n_items, context.dim))

    def stages(self, options, training):
        main = Stage.main(training)
        warm = {"epochs": options.warm_epochs, "learning_rate": options.warm_rate, "schedule": "cosine", "averaging": 0.5}
        return (replace(main, name="warm", ranks=False, validates=False, **warm), main)

    def batches(self, context, stage):
        return NextItemSource(context.dataset.split.train, 2, 3, last_only=True) if stage.name == "warm" else None

    def losses(self, context, stage):
        rows = torch.from_numpy(context.inputs["representation"].read(context.options))
        teacher = TeacherLoss(rows, context.model.backbone.dim)
        return [teacher] if stage.name == "warm" else [teacher, SecondViewLoss(context.model)]

    def trained(self, context, stage):
        return [context.model.items.embedding.weight] if stage.name == "warm" else super().trained(context, stage)

    def before_epoch(self, context, stage, epoch):
        weights = {name: value.clone() for name, value in context.model.state_dict().items()}
        self.seen.append((stage.name, epoch, weights))
        table = context.model.items.embedding.weight
        table[UNTAKEN] = table[1:UNTAKEN].mean(dim=0) + epoch + 0.1 * torch.randn(table.shape[1])


@pytest.fixture
def method(monkeypatch) -> Staged:
    staged = Staged()
    monkeypatch.setitem(METHODS, "staged", staged)
    return staged


def make(dataset, seed: int | None = None, **changes) -> Trainer:
    return building.trainer(dataset, RunConfig.of(**(SMALL | {"epochs": 3, "patience": 3} | changes)), seed)


def copied(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in tensors.items()}


@pytest.mark.parametrize("backbone", ["sasrec", "bert4rec", "gru4rec"])
def test_it_resumes_exactly_from_the_checkpoint_of_every_epoch(tiny, method, backbone):
    """Weights, average, best weights, optimiser and the losses' own parameters, in either stage and between the two."""
    checkpoints = []
    whole = make(tiny, backbone=backbone)

    def keep(record):
        checkpoints.append((copied(whole.state()), json.dumps(whole.progress.to_json())))

    whole.fit(keep)
    assert len(checkpoints) == 5
    for tensors, progress in checkpoints:
        resumed = make(tiny, seed=99, backbone=backbone)
        resumed.resume(copied(tensors), Progress.from_json(json.loads(progress)))
        assert all(torch.equal(value, resumed.state()[name]) for name, value in tensors.items())
        resumed.fit()
        final = resumed.state()
        assert final.keys() == whole.state().keys()
        assert all(torch.equal(value, final[name]) for name, value in whole.state().items())
        assert all(torch.equal(value, resumed.model.state_dict()[name]) for name, value in whole.model.state_dict().items())
        assert [record.losses for record in resumed.progress.history] == [record.losses for record in whole.progress.history]
        assert resumed.progress.best_epoch == whole.progress.best_epoch


def test_epochs_are_counted_over_the_stages(tiny, method):
    run = make(tiny)
    assert [stage.name for stage in run.stages] == ["warm", "main"] and not run.finished
    progress = run.fit()
    assert [(record.stage, record.epoch) for record in progress.history] == [
        ("warm", 1), ("warm", 2), ("main", 3), ("main", 4), ("main", 5)
    ]  # fmt: skip
    assert [(stage, epoch) for stage, epoch, _ in method.seen] == [(record.stage, record.epoch) for record in progress.history]
    assert (progress.stage, progress.before, progress.epochs_done) == (1, 2, 5) and run.finished
    assert progress.best_epoch in (3, 4, 5)
    for record in progress.history:
        warm = record.stage == "warm"
        assert set(record.losses) == ({"teacher", "total"} if warm else {"rank", "teacher", "view", "total"})
        assert bool(record.valid) != warm  # pretraining is not validated


def test_a_stage_has_its_own_batches_learning_rate_and_optimiser(tiny, method):
    run, steps = make(tiny, learning_rate=0.001), []
    plain = Trainer.step

    def step(batch):
        steps.append((run.stage.name, run.optimizer.param_groups[0]["lr"], tuple(batch.inputs.shape)))
        return plain(run, batch)

    run.step = step
    tensors = {}
    run.fit(lambda record: tensors.update({record.epoch: copied(run.state())}))
    warm, main = ([entry[1:] for entry in steps if entry[0] == name] for name in ("warm", "main"))
    assert all(rows <= 2 and width <= 3 for _, (rows, width) in warm) and max(rows for _, (rows, _) in main) == 4
    assert warm[-1][0] == pytest.approx(0.0, abs=1e-12) and max(rate for rate, _ in warm) < 0.05  # its cosine ends with it
    assert {rate for rate, _ in main} == {0.001}
    of_epoch = len(main) // 3
    assert tensors[2]["optimizer.0.step"].item() == len(warm) and tensors[3]["optimizer.0.step"].item() == of_epoch


def test_a_stage_trains_what_it_says_and_the_next_begins_with_what_it_kept(tiny, method):
    run = make(tiny)
    start, kept = copied(run.model.state_dict()), {}
    run.fit(lambda record: kept.update({record.epoch: copied(run.best)}))
    first_of_main = next(weights for stage, _, weights in method.seen if stage == "main")
    assert all(torch.equal(value, kept[2][name]) for name, value in first_of_main.items())  # the last epoch's average
    changed = {name for name, value in kept[2].items() if not torch.equal(value, start[name])}
    assert changed == {"items.embedding.weight"}
    assert not torch.equal(kept[5]["backbone.positions.weight"], start["backbone.positions.weight"])


def test_the_losses_own_parameters_are_trained_and_a_teacher_is_not(tiny, method):
    run = make(tiny)
    teacher, view = run._objective.losses[0], None
    before = copied(teacher.state_dict())

    def watch(record):
        nonlocal view
        for loss in run._objective.losses:
            if loss.name == "teacher":
                assert loss.teacher.weight.grad is None and loss.read.weight.grad is not None
            view = loss if loss.name == "view" else view
        held = [id(parameter) for group in run.optimizer.param_groups for parameter in group["params"]]
        assert len(set(held)) == len(held)  # the second view's model is not trained twice
        assert id(run._objective.losses[0].teacher.weight) not in held

    run.fit(watch)
    assert torch.equal(teacher.teacher.weight, before["teacher.weight"])
    assert not torch.equal(teacher.read.weight, before["read.weight"])
    assert view.model is run.model
    assert not any(name.startswith("extras") for name in run.model.state_dict())  # a finished run keeps none of them
    assert {"extras.0.read.weight", "extras.0.read.bias"} <= set(run.state())


def test_what_the_hook_writes_is_trained_on_and_the_same_for_the_same_seed(tiny, method):
    make(tiny).fit()
    first, method.seen = method.seen, []
    make(tiny).fit()
    assert all(
        torch.equal(value, again[name])
        for (_, _, weights), (_, _, again) in zip(first, method.seen, strict=True)
        for name, value in weights.items()
    )
    rows = [weights["items.embedding.weight"][UNTAKEN].mean().item() for _, _, weights in first]
    assert rows[1] > rows[0] + 0.5  # written before epoch 1, and not undone by its steps


def test_patience_counts_the_epochs_of_the_stage(tiny, method, monkeypatch):
    scores = iter([0.5, 0.4, 0.6, 0.1, 0.2])
    monkeypatch.setattr(
        Trainer, "validate", lambda self: {trainer.STOPPING_METRIC: next(scores)} if self.stage.validates else {}
    )
    progress = make(tiny, epochs=9, patience=2, warm_epochs=4).fit()  # pretraining has no patience
    assert (progress.best_epoch, progress.epochs_done, progress.best_score) == (7, 9, 0.6)


def test_a_stage_of_no_epochs_is_left_out(tiny, method):
    progress = make(tiny, warm_epochs=0).fit()
    assert [(record.stage, record.epoch) for record in progress.history] == [("main", 1), ("main", 2), ("main", 3)]


def test_several_stages_of_no_epochs_are_left_out(tiny, method, monkeypatch):
    stages = method.stages
    monkeypatch.setattr(method, "stages", lambda options, training: (*stages(options, training)[:1] * 2, Stage.main(training)))
    run = make(tiny, warm_epochs=0)
    assert len(run.stages) == 3
    assert [(record.stage, record.epoch) for record in run.fit().history] == [("main", 1), ("main", 2), ("main", 3)]


def test_the_options_of_its_stages_are_part_of_the_key(method):
    config = RunConfig.of(**SMALL)
    assert config.flat()["warm_epochs"] == 2 and RunConfig.of(**SMALL, warm_rate=0.1).key() != config.key()
