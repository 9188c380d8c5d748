"""Forms from typed requests: what a declaration says becomes the widget, and what is wrong appears at its field."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from app.ui import forms
from genair_engine import verbs


class Sample(BaseModel):
    """One field of each kind."""

    kind: Literal["a", "b"] = Field("a", description="which kind")
    part: Literal["x", "y"] | None = Field(None, description="what is left out")
    on: bool = Field(False, description="whether")
    max_len: int = Field(20, ge=2, le=100, description="longest history [items]")
    window: int | None = Field(None, ge=1, description="how far apart")
    rate: float = Field(1e-3, gt=0, lt=1, description="learning rate")
    t: float = Field(2.0, description="temperature")
    seeds: list[int] = Field([], description="seeds")
    title: str = Field("", description="what it is called")


def view(name: str) -> forms.FieldView:
    return forms.field_view(name, Sample.model_fields[name])


def test_the_type_gives_the_widget() -> None:
    kinds = {name: view(name).kind for name in Sample.model_fields}
    assert kinds == {
        "kind": "choice",
        "part": "choice",
        "on": "toggle",
        "max_len": "int",
        "window": "int",
        "rate": "float",
        "t": "float",
        "seeds": "list",
        "title": "text",
    }
    assert view("kind").options == ("a", "b") and not view("kind").optional
    assert view("part").options == (None, "x", "y") and view("part").optional
    assert view("window").optional


def test_range_label_unit_and_help() -> None:
    longest = view("max_len")
    assert (longest.least, longest.most, longest.label, longest.help) == (2, 100, "Max len [items]", "longest history")
    assert (view("rate").least, view("rate").most) == (0, 1)
    assert (view("window").least, view("window").most) == (1, None)
    assert view("t").label == "t"


def test_every_field_of_the_training_form_has_a_widget_and_a_help() -> None:
    for method in verbs.METHODS:
        fields = dict(verbs.SweepRequest.model_fields) | dict(verbs.training_choices({"method": method}).fields)
        for name, declared in fields.items():
            shown = forms.field_view(name, declared)
            assert shown.help, name
            if name not in ("dataset", "representation", "inputs", "device", "search", "without"):
                assert shown.kind != "text", name


def wrong(**values: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        verbs.SweepRequest(dataset="shop", **values)
    return forms.problems(caught.value, list(verbs.SweepRequest.model_fields))


def test_what_is_wrong_stands_at_its_field() -> None:
    assert wrong(learning_rate=0) == {"learning_rate": "Input should be greater than 0."}
    problems = wrong(alphas=["0.1", "much"])
    assert list(problems) == ["alphas"] and problems["alphas"].startswith("Much: Input should be a valid number")


def test_a_rule_between_fields_stands_at_the_first_that_it_names() -> None:
    assert wrong(heads=3) == {"heads": "Heads (3) must divide dim (128)."}
    assert list(wrong(backbone="bert4rec", shortcut=True)) == ["shortcut"]
    with pytest.raises(ValidationError) as caught:
        verbs.SweepRequest(dataset="shop", heads=3)
    assert list(forms.problems(caught.value, ["alpha"])) == [""]


@pytest.mark.parametrize(
    ("given", "without", "read"),
    [
        ({"method": "id"}, {"alpha", "gamma", "without", "scaling", "projector_dropout"}, {"heads", "exclude_seen"}),
        ({"method": "llminit"}, {"alpha", "projector_dropout", "residual_decay"}, {"without", "scaling"}),
        ({"alpha": 0.0}, {"gamma", "t", "kernel", "window", "count_once", "calibration_items"}, {"alpha"}),
        ({"kernel": "linear"}, {"t", "calibration_items"}, {"gamma", "window"}),
        ({"backbone": "gru4rec"}, {"heads", "public_code_attention", "mask_probability"}, {"shortcut", "targets"}),
        ({"backbone": "bert4rec"}, {"shortcut", "targets"}, {"mask_probability", "heads"}),
        ({"loss": "sampled"}, {"exclude_seen"}, {"negatives"}),
        ({"shortcut": True}, {"negatives"}, {"residual_decay"}),
    ],
)
def test_fields_that_are_not_read_are_not_shown(given: dict[str, Any], without: set[str], read: set[str]) -> None:
    choices = verbs.training_choices(given)
    shown = choices.fields.keys() - choices.unread
    assert read <= shown and not without & shown
    assert {name for group in choices.groups for name in group.options} == choices.fields.keys()
