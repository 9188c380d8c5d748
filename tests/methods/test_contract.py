"""What every method keeps to, with every backbone: a method that is added to the registry is tested here without a line more.

What differs between methods is asked of their tags and options; an input of a new kind needs a maker in `building.inputs`.
"""

from __future__ import annotations

import json
from typing import Any, Literal, get_args, get_origin

import pandas as pd
import pytest
import torch

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError
from genair_engine.interfaces import DotProduct
from genair_engine.losses.ranking.registry import LOSSES
from genair_engine.methods.backbones import BACKBONES
from genair_engine.methods.config import NAMES, RunConfig, build_recommender, declared
from genair_engine.methods.presets import PRESETS
from genair_engine.methods.recommender import SequenceRecommender, TableRecommender
from genair_engine.methods.registry import METHODS
from genair_engine.methods.stages import TrainingOptions
from genair_engine.models import IdItems
from genair_engine.options import Options
from genair_engine.training.trainer import Progress, Trainer
from tests.methods import building

TRAINED = [name for name, method in METHODS.items() if method.tags.trained]
COMBINATIONS = [(method, backbone) for method in TRAINED for backbone in BACKBONES]
SMALL = {"dim": 8, "layers": 1, "max_len": 6, "batch_size": 3, "epochs": 2, "patience": 2, "dropout": 0.2}
N_ITEMS = 9
DATA = Dataset(
    "small",
    pd.DataFrame({"item_id": [f"i{item}" for item in range(1, N_ITEMS + 1)]}),
    Sequences.from_lists(  # items 8 and 9 have no training interaction; some are taken twice by a user
        [[1, 2, 1, 3, 2, 4, 8], [2, 3, 4, 5, 6, 9], [5, 6, 7, 5, 1, 2], [7, 1, 2, 3, 4, 5, 6, 7], [3, 3, 4, 3, 6, 1]]
    ),
    [f"u{user}" for user in range(5)],
)
SESSIONS = [[1, 2], [3], [6, 5, 4, 3, 2, 1, 7, 8]]


def make(method: str, backbone: str, **changes: Any) -> Trainer:
    return building.trainer(DATA, RunConfig.of(**(SMALL | {"method": method, "backbone": backbone} | changes)))


def outcome(run: Trainer) -> dict[str, torch.Tensor]:
    """All that a training changes, and the weights that it ends with."""
    run.fit()
    return run.state() | {f"kept.{name}": value for name, value in run.model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Bit by bit."""
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def other_value(kind: type[Options], name: str, value: Any) -> Any:
    """Another value of an option that its type allows: the least where that is another, else one in the middle."""
    field = kind.model_fields[name]
    choices = [choice for choice in get_args(field.annotation) if choice is not type(None)] or [field.annotation]
    if field.annotation is bool:
        return not value
    if get_origin(field.annotation) is Literal:
        return next(choice for choice in reversed(choices) if choice != value)
    bounds = {
        limit: getattr(entry, limit) for entry in field.metadata for limit in ("ge", "gt", "le", "lt") if hasattr(entry, limit)
    }
    if choices == [str]:
        return "title" if value != "title" else "decoding"
    assert choices in ([int], [float]), f"{name}: say here what another value of {field.annotation} is"
    if "ge" in bounds and value != bounds["ge"]:
        return bounds["ge"]
    if value:
        return choices[0](value * 2) if choices == [int] else value / 2
    return 1 if choices == [int] else bounds.get("le", bounds.get("lt", 1.0)) / 2


def option_types(config: RunConfig) -> dict[str, type[Options]]:
    return declared(BACKBONES[str(config.backbone)], config.definition, LOSSES[str(config.loss)])


def varied(config: RunConfig) -> dict[str, dict[str, Any]]:
    """For every option: the configuration's values with another one there."""
    values = config.values()
    return {name: values | {name: other_value(kind, name, values[name])} for name, kind in option_types(config).items()}


@pytest.mark.parametrize("name", METHODS)
def test_it_says_what_it_is(name):
    method = METHODS[name]
    assert method.name == name and method.purpose and str(method.__doc__).strip()
    assert method.source.kind == "ours" or method.source.citation
    assert all(need.role and need.purpose for need in method.needs)
    assert len({need.role for need in method.needs}) == len(method.needs)
    undescribed = [option for option, field in method.options.model_fields.items() if not field.description]
    assert not undescribed
    assert set(method.presets) <= set(PRESETS)
    for values in (*method.presets.values(), *method.ablations.values()):
        assert values and method.options(**values).model_dump().items() >= values.items()  # options of its own, in range


@pytest.mark.parametrize("name", METHODS)
def test_its_options_have_names_of_their_own(name):
    """A run's values are flat: a name has one meaning within a run, whatever backbone and loss it has."""
    own = set(METHODS[name].options.model_fields)
    others = [entry.options for entry in (*BACKBONES.values(), *LOSSES.values())]
    assert not own & set(NAMES)
    assert all(not own & set(kind.model_fields) for kind in (*others, TrainingOptions))


def test_options_of_backbones_losses_and_the_training_have_names_of_their_own():
    for backbone in BACKBONES.values():
        for loss in LOSSES.values():
            names = [*NAMES, *backbone.options.model_fields, *loss.options.model_fields, *TrainingOptions.model_fields]
            assert len(set(names)) == len(names)


@pytest.mark.parametrize(("method", "backbone"), COMBINATIONS)
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(method, backbone):
    class Killed(Exception):
        pass

    def kill(record):
        raise Killed

    start = make(method, backbone).state()
    whole, half = make(method, backbone), make(method, backbone)
    expected = outcome(whole)
    assert not same({name: expected[name] for name in start}, start)  # it does train
    with pytest.raises(Killed):
        half.fit(kill)
    assert half.progress.epochs_done == 1
    tensors, progress = half.state(), json.loads(json.dumps(half.progress.to_json()))
    resumed = building.trainer(DATA, whole.config, seed=99)  # its own weights are of no use
    resumed.resume(tensors, Progress.from_json(progress))
    assert same(outcome(resumed), expected)
    records = [[(record.losses, record.valid) for record in run.progress.history] for run in (whole, resumed)]
    assert records[0] == records[1] and len(records[0]) == 2


@pytest.mark.parametrize(("method", "backbone"), COMBINATIONS)
def test_its_tags_say_what_it_does(method, backbone):
    tags, run = METHODS[method].tags, make(method, backbone)
    assert ("calibration" in [loss.name for loss in run.objective.losses]) == tags.calibrated
    items = run.model.items
    assert bool(items.added_vectors()) == tags.added_vectors
    assert all(not vectors.any() for vectors in items.added_vectors())
    recommender = TableRecommender(run.model)
    assert isinstance(recommender, DotProduct) == tags.dot_product
    assert hasattr(items, "project") == tags.ranks_new_items
    if tags.ranks_new_items:  # an item without interactions, here one whose representation is that of item 5
        vector = items.project(items.representation[5:6])
        scores = recommender.with_items(vector).score(Sessions.from_lists(SESSIONS))
        torch.testing.assert_close(scores[:, -1], scores[:, 5])


@pytest.mark.parametrize(("method", "backbone"), COMBINATIONS)
def test_scores_any_session_the_same_alone_and_in_company(method, backbone):
    recommender = TableRecommender(make(method, backbone).model)
    together = recommender.score(Sessions.from_lists(SESSIONS))
    assert together.shape == (3, N_ITEMS + 1) and torch.isfinite(together).all()
    for row, session in enumerate(SESSIONS):
        torch.testing.assert_close(recommender.score(Sessions.from_lists([session]))[0], together[row])
    some = recommender.score(Sessions.from_lists(SESSIONS), torch.tensor([5, 1, 5]))
    torch.testing.assert_close(some, together[:, [5, 1, 5]])
    if METHODS[method].tags.dot_product:
        dot_product = recommender.states(Sessions.from_lists(SESSIONS)) @ recommender.table().T
        torch.testing.assert_close(dot_product, together)


@pytest.mark.parametrize(("method", "backbone"), COMBINATIONS)
def test_its_weights_are_the_whole_model(method, backbone):
    """They round-trip through the state dict; with a fixed table, the backbone and the item vectors alone do, too."""
    run, other = make(method, backbone), building.trainer(DATA, make(method, backbone).config, seed=99)
    run.fit()
    scores = TableRecommender(run.model).score(Sessions.from_lists(SESSIONS))
    assert not torch.equal(TableRecommender(other.model).score(Sessions.from_lists(SESSIONS)), scores)
    other.model.load_state_dict(run.model.state_dict())
    assert torch.equal(TableRecommender(other.model).score(Sessions.from_lists(SESSIONS)), scores)
    if METHODS[method].tags.fixed_table:
        table = TableRecommender(run.model).table()[1:]
        plain = SequenceRecommender(IdItems(N_ITEMS, 8, table), BACKBONES[backbone].build(run.config.model))
        rest = {name: value for name, value in run.model.state_dict().items() if not name.startswith("items.")}
        plain.load_state_dict(rest | {"items.embedding.weight": plain.items.embedding.weight})
        torch.testing.assert_close(TableRecommender(plain).score(Sessions.from_lists(SESSIONS)), scores)


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_input_is_refused(method):
    needs = [need for need in METHODS[method].needs if not need.optional]
    config = RunConfig.of(**(SMALL | {"method": method} if METHODS[method].tags.trained else {"method": method}))
    given = building.inputs(config, N_ITEMS)
    for need in needs:
        with pytest.raises(InputError):
            build_recommender(config, N_ITEMS, {role: value for role, value in given.items() if role != need.role})


@pytest.mark.parametrize(("method", "backbone"), COMBINATIONS)
def test_a_key_covers_what_is_read_and_nothing_else(method, backbone):
    """Around the defaults, and around each choice that could switch others off (no count does that).

    Another value changes the key, or it changes nothing: with all values that the key leaves out changed at once, two epochs
    end with the same weights. (That what the key has does change the training is tested below.)
    """
    default = make(method, backbone).config
    around = [default]
    for name, values in varied(default).items():
        if option_types(default)[name].model_fields[name].annotation not in (int, int | None):
            around.append(RunConfig.of(**values))
    trained: set[frozenset[str]] = set()
    for config in around:
        key, unread = config.key(), dict[str, Any]()
        for name, values in varied(config).items():
            is_read = RunConfig.of(**values).key() != key
            assert is_read == (name in key), name
            if not is_read:
                unread[name] = values[name]
        if unread and frozenset(unread) not in trained:
            trained.add(frozenset(unread))
            changed = RunConfig.of(**(config.values() | unread))
            assert changed.key() == key and changed != config
            assert same(outcome(building.trainer(DATA, config)), outcome(building.trainer(DATA, changed)))


UNSEEN = {"patience"}
"""What two epochs cannot show; `test_trainer` has its test."""
CASES = {  # whose options → where they are looked at; those of the training with added vectors and without
    f"every run, of {name}": (name, "sasrec", "ce", {}, TrainingOptions)
    for name in {METHODS[name].tags.added_vectors: name for name in TRAINED}.values()
}
CASES |= {name: ("id", name, "ce", {}, entry.options) for name, entry in BACKBONES.items()}
CASES |= {f"loss {name}": ("id", "sasrec", name, {}, entry.options) for name, entry in LOSSES.items()}
for trained in TRAINED:  # around the defaults, and around all that the method declares as a preset or an ablation of it
    switched = {"": {}, **METHODS[trained].presets, **METHODS[trained].ablations}
    CASES |= {
        f"{trained} {way}": (trained, "sasrec", "ce", given, METHODS[trained].options) for way, given in switched.items()
    }


@pytest.mark.parametrize("case", CASES)
def test_what_a_key_covers_changes_the_training(case):
    """Each option of its owner that the key holds, changed alone."""
    method, backbone, loss, given, kind = CASES[case]
    config = make(method, backbone, loss=loss, **given).config
    expected = outcome(building.trainer(DATA, config))
    options = {name: values for name, values in varied(config).items() if name in kind.model_fields and name in config.key()}
    without_effect = [
        (name, values[name])
        for name, values in options.items()
        if name not in UNSEEN and same(outcome(building.trainer(DATA, RunConfig.of(**values))), expected)
    ]
    assert without_effect == []
