"""The configuration: presets fill what is not given, contradictions are refused, and what departs from the paper is said."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from genair_engine.training.config import BACKBONE_DEFAULTS, PRESETS, TrainingConfig

BACKBONES = ["sasrec", "bert4rec", "gru4rec"]
OTHERS = {  # for every field that a preset or a backbone fills: values that fit every backbone
    "loss": ["ce", "bce", "bpr", "sampled"],
    "kernel": ["exp", "linear"],
    "gamma": [0.0, 3.0, 4.0],
    "dropout": [0.0, 0.4, 0.5],
    "averaging": [0.0, 0.99],
    "patience": [10, 20],
    "alpha": [0.0, 1e-4, 0.1],
    "epochs": [50, 200],
    "layers": [1, 2, 3],
    "targets": ["all"],
    "public_code_attention": [False],
    "method": ["genair", "genair-id", "llminit", "id"],
    "projector_dropout": [0.0, 0.2],
    "scaling": ["none", "parts"],
    "shortcut": [False],
    "exclude_seen": [False],
    "heads": [1, 4],
    "batch_size": [128, 256],
    "learning_rate": [1e-3, 2e-3],
    "schedule": ["constant", "cosine"],
    "weight_decay": [0.0, 0.1],
    "residual_decay": [0.0, 2.0],
}


def test_by_default_nothing_departs_from_the_paper():
    for backbone in BACKBONES:
        config = TrainingConfig(backbone=backbone)
        assert config.preset == "corrected" and config.deviations() == []
        assert config.kernel == "exp" and not config.public_code_attention and config.targets == "all"


def test_defaults_of_a_backbone():
    assert [TrainingConfig(backbone=backbone).layers for backbone in BACKBONES] == [2, 2, 1]
    assert TrainingConfig(backbone="gru4rec", layers=3).layers == 3
    assert TrainingConfig() == TrainingConfig(backbone="sasrec", preset="corrected")


@pytest.mark.parametrize(
    "backbone, expected",
    [
        ("sasrec", {"public_code_attention": True, "targets": "all", "dropout": 0.5, "layers": 2}),
        ("bert4rec", {"public_code_attention": True, "targets": "all", "dropout": 0.5, "layers": 2}),
        ("gru4rec", {"public_code_attention": False, "targets": "last", "dropout": 0.0, "layers": 1}),
    ],
)
def test_the_public_codes_choices(backbone, expected):
    """methods.md sections 1, 2 and 8."""
    config = TrainingConfig(backbone=backbone, preset="public-code")
    found = config.model_dump()
    common = {"loss": "bce", "kernel": "linear", "gamma": 4.0, "averaging": 0.0, "patience": 20, "alpha": 1e-4, "epochs": 50}
    paper = {"dim": 128, "heads": 1, "max_len": 200, "batch_size": 128, "learning_rate": 1e-3, "mask_probability": 0.6}
    assert {name: found[name] for name in common | paper | expected} == common | paper | expected


@given(
    st.sampled_from(BACKBONES),
    st.sampled_from(list(PRESETS)),
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in OTHERS.items()}),
)
def test_what_is_given_stays_and_only_what_is_not_given_is_filled(backbone, preset, given_values):
    config = TrainingConfig(backbone=backbone, preset=preset, **given_values).model_dump()
    filled = BACKBONE_DEFAULTS.get(backbone, {}) | PRESETS[preset][backbone]
    assert set(filled) <= set(OTHERS)  # else a field would go untested
    if "exclude_seen" not in given_values and (filled | given_values).get("loss", "ce") != "ce":
        filled.pop("exclude_seen", None)  # it is for ce alone, and a preset's does not stand in the way of another loss
    plain = {name: field.default for name, field in TrainingConfig.model_fields.items()}
    assert config == plain | {"backbone": backbone, "preset": preset} | filled | given_values


@given(
    st.sampled_from(BACKBONES),
    st.sampled_from(list(PRESETS)),
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in OTHERS.items()}),
)
def test_a_stored_configuration_comes_back_as_it_was(backbone, preset, given_values):
    """From the values as a run's row holds them, and through a request that has more fields than the configuration."""

    class Request(TrainingConfig):
        dataset: str

    config = TrainingConfig(backbone=backbone, preset=preset, **given_values)
    assert TrainingConfig(**config.model_dump()) == config
    assert TrainingConfig(**json.loads(json.dumps(config.model_dump()))) == config
    request = Request(dataset="tiny", backbone=backbone, preset=preset, **given_values)
    assert TrainingConfig(**request.model_dump(include=set(TrainingConfig.model_fields))) == config


@pytest.mark.parametrize(
    "values, message",
    [
        ({"dim": 8, "heads": 3}, r"heads \(3\) must divide dim \(8\)"),
        ({"backbone": "gru4rec", "public_code_attention": True}, "gru4rec has none"),
        ({"backbone": "bert4rec", "targets": "last"}, "targets last does not fit bert4rec"),
        ({"backbone": "bert4rec", "shortcut": True}, "shortcut does not fit bert4rec"),
        ({"loss": "bce", "exclude_seen": True}, "exclude_seen is for loss ce"),
        ({"preset": "public-code", "exclude_seen": True}, "exclude_seen is for loss ce"),
        ({"backbone": "caser"}, "backbone"),
        ({"preset": "repo"}, "preset"),
        ({"preset": ["public-code"]}, "preset"),
        ({"backbone": {"sasrec": 1}}, "backbone"),
        ({"learnig_rate": 0.1}, "learnig_rate"),
        ({"mask_probability": 1.0}, "mask_probability"),
        ({"alpha": -0.1}, "alpha"),
    ],
)
def test_what_does_not_fit_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        TrainingConfig(**values)


@pytest.mark.parametrize(
    "values, expected",
    [
        ({"preset": "public-code"}, ["no causal mask, padding takes part in attention", "linear calibration kernel"]),
        ({"preset": "public-code", "backbone": "bert4rec"}, ["padding takes part in attention", "linear calibration kernel"]),
        ({"preset": "public-code", "backbone": "gru4rec"}, ["linear calibration kernel", "only the last item"]),
        ({"preset": "public-code", "public_code_attention": False, "kernel": "exp"}, []),
        ({"public_code_attention": True}, ["no causal mask, padding"]),  # without the preset, too
        ({"kernel": "linear"}, ["linear calibration kernel over pairs with duplicates"]),
        ({"kernel": "linear", "alpha": 0.0}, []),  # no calibration, no kernel
        ({"kernel": "linear", "method": "id"}, []),
        ({"backbone": "gru4rec", "targets": "last"}, ["only the last item of a history is a target"]),
        ({"method": "genair-id", "shortcut": True}, ["a free vector an item", "a shortcut from the items"]),
    ],
)
def test_departures_from_the_paper_are_said(values, expected):
    found = TrainingConfig(**values).deviations()
    assert len(found) == len(expected)
    assert all(said.startswith(start) for said, start in zip(found, expected, strict=True)), found
