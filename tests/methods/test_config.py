"""The configuration: presets fill what is not given, what does not fit is refused, and a key covers what is read, no more."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from genair_engine.losses.ranking.registry import LOSSES
from genair_engine.methods.backbones import BACKBONES
from genair_engine.methods.base import Method, Source, Tags
from genair_engine.methods.config import RunConfig, declared
from genair_engine.methods.fields import ConfigFields
from genair_engine.methods.presets import PRESETS
from genair_engine.methods.registry import METHODS
from genair_engine.options import Options

OTHERS = {  # for every option that a preset fills: values that every type which has the option allows
    "method": ["genair", "genair-id", "llminit", "id"],
    "loss": ["ce", "bce", "bpr", "sampled"],
    "kernel": ["exp", "linear"],
    "gamma": [0.0, 3.0, 4.0],
    "dropout": [0.0, 0.4, 0.5],
    "averaging": [0.0, 0.99],
    "patience": [10, 20],
    "alpha": [0.0, 1e-4, 0.1],
    "epochs": [50, 200],
    "layers": [1, 2, 3],
    "targets": ["all", "last"],
    "public_code_attention": [False, True],
    "projector_dropout": [0.0, 0.2],
    "scaling": ["none", "parts"],
    "shortcut": [False, True],
    "exclude_seen": [False, True],
    "heads": [1, 4],
    "batch_size": [128, 256],
    "learning_rate": [1e-3, 2e-3],
    "schedule": ["constant", "cosine"],
    "weight_decay": [0.0, 0.1],
    "residual_decay": [0.0, 2.0],
}
CALIBRATION = {"gamma", "t", "kernel", "window", "count_once", "calibration_items"}
PUBLIC_CODE = {
    "loss": "bce",
    "dropout": 0.5,
    "kernel": "linear",
    "gamma": 4.0,
    "alpha": 1e-4,
    "averaging": 0.0,
    "epochs": 50,
    "patience": 20,
}
STUDIO = {
    "method": "genair-id",
    "dropout": 0.5,
    "alpha": 0.0,
    "projector_dropout": 0.2,
    "scaling": "parts",
    "exclude_seen": True,
    "batch_size": 256,
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "weight_decay": 0.1,
    "residual_decay": 2.0,
    "averaging": 0.95,
    "epochs": 12,
    "patience": 12,
}
PLAIN = {"loss": "ce", "method": "genair"}
LINEAR = {"residual_decay", "t", "calibration_items"}
FILLED = {  # preset, backbone → what differs from the options' defaults, and what is not read
    ("corrected", "sasrec"): ({}, {"residual_decay"}),
    ("corrected", "bert4rec"): ({}, {"residual_decay"}),
    ("corrected", "gru4rec"): ({"layers": 1}, {"residual_decay"}),
    ("public-code", "sasrec"): (PUBLIC_CODE | {"public_code_attention": True}, LINEAR),
    ("public-code", "bert4rec"): (PUBLIC_CODE | {"public_code_attention": True}, LINEAR),
    ("public-code", "gru4rec"): (PUBLIC_CODE | {"layers": 1, "dropout": 0.0, "targets": "last"}, LINEAR),
    ("studio", "sasrec"): (STUDIO | {"heads": 4, "shortcut": True}, CALIBRATION),
    ("studio", "bert4rec"): (STUDIO | {"heads": 4, "epochs": 25}, CALIBRATION),
    ("studio", "gru4rec"): (STUDIO | {"layers": 1, "shortcut": True}, CALIBRATION),
}


def types(config_names: dict[str, str]) -> dict[str, type[Options]]:
    """Option → the type that declares it, of the chosen combination."""
    return declared(BACKBONES[config_names["backbone"]], METHODS[config_names["method"]], LOSSES[config_names["loss"]])


def defaults(config_names: dict[str, str]) -> dict[str, object]:
    return {name: kind.model_fields[name].default for name, kind in types(config_names).items()}


def chosen(backbone: str, preset: str, values: dict[str, object]) -> dict[str, object]:
    """The values with names for all that is chosen by name, and without options that the combination does not have."""
    names = {
        "preset": preset,
        "backbone": backbone,
        "method": values.get("method", PRESETS[preset].method),
        "loss": values.get("loss", PRESETS[preset].loss),
    }
    return names | {name: value for name, value in values.items() if name in types(names)}


REQUESTS = (
    st.sampled_from(list(BACKBONES)),
    st.sampled_from(list(PRESETS)),
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in OTHERS.items()}),
)


def test_by_default_nothing_departs_from_the_paper():
    for backbone in BACKBONES:
        config = RunConfig.of(backbone=backbone)
        assert (config.preset, config.method, config.loss) == ("corrected", "genair", "ce") and config.departures() == []
    assert RunConfig.of() == RunConfig.of(backbone="sasrec", preset="corrected")


@pytest.mark.parametrize(("preset", "backbone"), FILLED)
def test_what_a_preset_gives(preset, backbone):
    """As the runs of version 1 had it: all values that are read. methods.md sections 1, 2 and 8 for the public code's."""
    given_by_preset, unread = FILLED[preset, backbone]
    names = {"preset": preset, "backbone": backbone, **PLAIN, **given_by_preset}
    expected = {**defaults(names), **names}
    assert RunConfig.of(preset=preset, backbone=backbone).flat() == {
        name: value for name, value in expected.items() if name not in unread
    }


def test_the_defaults_are_those_of_the_papers_table():
    flat = RunConfig.of(method="genair-id").flat()
    expected = {"dim": 128, "layers": 2, "heads": 1, "dropout": 0.4, "max_len": 200, "batch_size": 128, "learning_rate": 1e-3}
    more = {
        "alpha": 0.1,
        "gamma": 3.0,
        "t": 2.0,
        "kernel": "exp",
        "averaging": 0.99,
        "patience": 10,
        "epochs": 200,
        "seed": 42,
    }
    rest = {"weight_decay": 0.0, "residual_decay": 0.0, "schedule": "constant", "precision": "auto", "exclude_seen": False}
    assert {name: flat[name] for name in expected | more | rest} == expected | more | rest
    assert RunConfig.of(backbone="bert4rec").flat()["mask_probability"] == 0.6
    assert RunConfig.of(loss="sampled").flat()["negatives"] == 1024
    assert RunConfig.of(backbone="gru4rec", layers=3).flat()["layers"] == 3


@pytest.mark.parametrize("method", METHODS)
def test_a_preset_gives_a_method_its_own_options_only(method):
    for preset in PRESETS:
        config = RunConfig.of(preset=preset, method=method)
        assert config.options.model_dump() == METHODS[method].options(**METHODS[method].presets.get(preset, {})).model_dump()


@given(*REQUESTS)
def test_what_is_given_stays_and_only_what_is_not_given_is_filled(backbone, preset, values):
    asked = chosen(backbone, preset, values)
    entry, method = PRESETS[preset], METHODS[asked["method"]]
    filled = {**entry.values, **entry.of_backbone.get(backbone, {}), **BACKBONES[backbone].presets.get(preset, {})}
    filled |= method.presets.get(preset, {})
    assert set(filled) <= set(OTHERS)  # else an option would go untested
    read_by = types(asked)
    filled = {name: value for name, value in filled.items() if name in read_by}
    assert RunConfig.of(**asked).values() == defaults(asked) | filled | asked


@given(*REQUESTS)
def test_a_stored_configuration_comes_back_as_it_was(backbone, preset, values):
    """From the values as a run's row holds them, with or without those that are not read, and through a request's fields."""
    asked = chosen(backbone, preset, values)
    config = RunConfig.of(**asked)
    stored = json.loads(json.dumps(config.flat()))
    assert RunConfig.stored(stored).flat() == config.flat() and RunConfig.stored(stored).key() == config.key()
    assert RunConfig.stored(json.loads(json.dumps(config.values()))) == config
    assert ConfigFields(**asked).config() == config
    assert "preset" not in config.key() and set(config.flat()) == {*config.key(), "preset"}


def test_a_key_is_of_values_and_not_of_the_way_to_say_them():
    config = RunConfig.of(preset="studio")
    spelled = RunConfig.of(**(config.flat() | {"preset": "corrected"}))
    assert spelled.key() == config.key() and spelled.flat() != config.flat()
    assert RunConfig.of(alpha=0.0, gamma=7.0).key() == RunConfig.of(alpha=0.0).key()
    assert "gamma" not in RunConfig.of(alpha=0.0, gamma=7.0).flat()
    assert RunConfig.of(gamma=7.0).key() != RunConfig.of().key()


def test_a_run_of_version_1_has_more_values_than_are_read():
    """Its row holds every option there was, whatever was chosen; among them some that the combination does not have."""
    old = {"preset": "corrected", "backbone": "gru4rec", "method": "id", "loss": "bce", "layers": 2, "dim": 64, "heads": 1}
    old |= {"alpha": 0.1, "kernel": "exp", "mask_probability": 0.6, "public_code_attention": False, "exclude_seen": False}
    config = RunConfig.stored(old)
    assert config == RunConfig.of(backbone="gru4rec", method="id", loss="bce", layers=2, dim=64)
    assert not {"heads", "alpha", "kernel", "mask_probability"} & set(config.flat())


@pytest.mark.parametrize(
    "values, name, message",
    [
        ({"dim": 8, "heads": 3}, None, r"heads \(3\) must divide dim \(8\)"),
        ({"backbone": "gru4rec", "public_code_attention": True}, "public_code_attention", "of sasrec, bert4rec, and not of"),
        ({"backbone": "gru4rec", "heads": 2}, "heads", "backbone gru4rec, method genair and loss ce: leave it out"),
        ({"backbone": "bert4rec", "targets": "last"}, "targets", "targets is an option of sasrec, gru4rec, and not of"),
        ({"backbone": "bert4rec", "shortcut": True}, "shortcut", "shortcut is an option of sasrec, gru4rec, and not of"),
        ({"mask_probability": 0.5}, "mask_probability", "mask_probability is an option of bert4rec, and not of"),
        ({"loss": "bce", "exclude_seen": True}, "exclude_seen", "exclude_seen is an option of loss ce, and not of"),
        ({"preset": "public-code", "exclude_seen": True}, "exclude_seen", "and not of .* and loss bce"),
        ({"negatives": 10}, "negatives", "negatives is an option of loss sampled, and not of"),
        ({"method": "id", "alpha": 0.2}, "alpha", "alpha is an option of genair, genair-id, and not of .*method id"),
        ({"method": "id", "without": "title"}, "without", "of genair, genair-id, llminit, content, .*, and not of"),
        ({"backbone": "caser"}, "backbone", "there is no backbone 'caser': give sasrec, bert4rec, gru4rec"),
        ({"backbone": "{sasrec}"}, "backbone", "there is no backbone '{sasrec}'"),
        ({"preset": "repo"}, "preset", "there is no preset 'repo': give corrected, public-code, studio"),
        ({"preset": ["public-code"]}, "preset", "there is no preset"),
        ({"backbone": {"sasrec": 1}}, "backbone", "there is no backbone"),
        ({"method": None}, "method", "there is no method None"),
        ({"loss": "mse"}, "loss", "there is no loss 'mse': give ce, sampled, bce, bpr"),
        ({"learnig_rate": 0.1}, "learnig_rate", "there is no option learnig_rate"),
        ({"backbone": "bert4rec", "mask_probability": 1.0}, "mask_probability", "less than 1"),
        ({"alpha": -0.1}, "alpha", "greater than or equal to 0"),
        ({"kernel": "gauss"}, "kernel", "'exp' or 'linear'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(values, name, message):
    with pytest.raises(ValidationError, match=message) as refused:
        RunConfig.of(**values)
    assert name is None or [error["loc"] for error in refused.value.errors()] == [(name,)]


@pytest.mark.parametrize(
    "values, expected",
    [
        ({"preset": "public-code"}, ["no causal mask, padding takes part in attention", "linear calibration kernel"]),
        ({"preset": "public-code", "backbone": "bert4rec"}, ["padding takes part in attention", "linear calibration kernel"]),
        ({"preset": "public-code", "backbone": "gru4rec"}, ["only the last item", "linear calibration kernel"]),
        ({"preset": "public-code", "public_code_attention": False, "kernel": "exp"}, []),
        ({"public_code_attention": True}, ["no causal mask, padding"]),  # without the preset, too
        ({"kernel": "linear"}, ["linear calibration kernel over pairs with duplicates"]),
        ({"kernel": "linear", "alpha": 0.0}, []),  # no calibration, no kernel
        ({"preset": "public-code", "method": "id", "public_code_attention": False}, []),
        ({"backbone": "gru4rec", "targets": "last"}, ["only the last item of a history is a target"]),
        ({"method": "genair-id", "shortcut": True}, ["a shortcut from the items", "a free vector an item"]),
        ({"projector_dropout": 0.1, "scaling": "parts"}, ["dropout in the projector", "parts of the representation"]),
        ({"method": "llminit", "scaling": "parts"}, ["parts of the representation on one scale"]),
        ({"preset": "studio", "method": "id", "backbone": "bert4rec"}, []),  # it has no projector and reads no parts
    ],
)
def test_departures_from_the_paper_are_said(values, expected):
    departures = RunConfig.of(**values).departures()
    assert len(departures) == len(expected)
    assert all(words.startswith(start) for words, start in zip(departures, expected, strict=True)), departures


class CountsOptions(Options):
    """Of a method that is not trained."""

    decay: float = Field(0.5, ge=0, le=1, description="of older items")


class Counts(Method[CountsOptions]):
    """A method that only counts."""

    name = "counts"
    purpose = "how often an item was taken"
    source = Source("ours")
    options = CountsOptions
    tags = Tags(trained=False, floor=True)

    def build(self, context):
        return context.options.decay


def test_a_method_without_training_has_its_own_options_and_no_others(monkeypatch):
    monkeypatch.setitem(METHODS, "counts", Counts())
    config = RunConfig.of(method="counts", decay=0.25)
    assert config.key() == {"method": "counts", "decay": 0.25} and config.values() == config.flat()
    assert (config.backbone, config.loss) == (None, None) and config.departures() == []
    assert RunConfig.stored(config.flat()) == config
    for preset in PRESETS:
        assert RunConfig.of(method="counts", preset=preset).key() == {"method": "counts", "decay": 0.5}
    with pytest.raises(
        ValidationError, match="epochs is an option of every method that is trained, and not of method counts:"
    ) as refused:
        RunConfig.of(method="counts", epochs=3)
    assert refused.value.errors()[0]["loc"] == ("epochs",)
    with pytest.raises(ValidationError, match=r"decay is an option of item-knn, .*, counts, and not of"):
        RunConfig.of(method="id", decay=0.25)
