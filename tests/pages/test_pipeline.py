"""The next step that Home names is one that works."""

import pytest

from app.ui.pipeline import next_steps
from genair_engine import jobs, verbs
from genair_engine.verbs.system.overview import ArchetypeSetState, RepresentationState


def state(written: int | None = None, represented: bool = False) -> verbs.DatasetState:
    sets = [] if written is None else [ArchetypeSetState(archetypes="a1", model="demo-qwen", items=written)]
    of_metadata = {"representation": "minilm-1", "model": "minilm", "archetypes_by": None, "dims": {"prefill": 4}}
    representations = [RepresentationState(**of_metadata, describes=False)]
    return verbs.DatasetState(
        dataset="shop",
        users=5,
        items=100,
        interactions=30,
        about="",
        rejected=0,
        archetype_sets=sets,
        representations=representations if represented else [],
        runs={},
        best=None,
    )


@pytest.mark.parametrize(
    ("dataset", "commands"),
    [
        (state(), ["generate shop --model demo-llama --limit 64", "generate shop --model demo-qwen --limit 64"]),
        (state(0), ["generate shop --model demo-llama --limit 64", "generate shop --model demo-qwen --limit 64"]),
        (state(64), ["generate shop --model demo-qwen"]),
        (state(100), ["represent shop --model minilm --archetypes demo-qwen"]),
        (state(64, represented=True), ["train shop --epochs 20 --representation minilm-1"]),
    ],
)
def test_first_missing_stage(dataset, commands):
    what, steps = next_steps(dataset)
    assert [jobs.command_line(step.kind, step.request) for step in steps] == commands and what.endswith(".")
