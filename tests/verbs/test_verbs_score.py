"""The verb `score`: measured once, anew when a set grows, and an item's scores without measuring anything."""

from importlib import import_module

import numpy as np
import pytest

from genair_engine import verbs
from genair_engine.cli import main
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store import artifacts
from genair_engine.verbs.texts import scored_items
from tests.verbs_workspaces import SHORT

score_module = import_module("genair_engine.verbs.texts.score")  # the package has the verb under the module's name


def generate(workspace, model="tiny-llama", **options):
    options = {"sampling": SHORT, "device": "cpu"} | options
    return verbs.generate(workspace, verbs.GenerateRequest(dataset="shop", model=model, **options)).archetypes


def score(workspace, progress=None, **options):
    request = verbs.ScoreRequest(dataset="shop", **options)
    return verbs.score(workspace, request, progress) if progress else verbs.score(workspace, request)


@pytest.fixture
def measured(monkeypatch):
    """The numbers of texts of the sets that were measured, in order."""
    real, calls = score_module.measure_set, []

    def counting(texts, *arguments):
        calls.append(len(texts))
        return real(texts, *arguments)

    monkeypatch.setattr(score_module, "measure_set", counting)
    return calls


def test_a_set_is_measured_once_and_again_when_it_has_grown(imported, measured):
    llama = generate(imported, limit=5)
    first = score(imported)
    assert [(text_set.archetypes, text_set.items, text_set.measured) for text_set in first.sets] == [(llama, 5, 5)]
    assert score(imported).sets == first.sets and measured == [5]
    (file,) = imported.path("archetypes").rglob("scores-*.safetensors")

    generate(imported)
    (before,) = verbs.item_scores(imported, "shop", "b01")
    assert before.stale and before.scores["segments"] is not None
    assert verbs.item_scores(imported, "shop", "b12")[0].scores["segments"] is None
    grown = score(imported)
    assert [(text_set.items, text_set.measured) for text_set in grown.sets] == [(12, 12)] and measured == [5, 12]
    assert grown.sets[0].scored_at > first.sets[0].scored_at
    assert not verbs.item_scores(imported, "shop", "b12")[0].stale
    (again,) = imported.path("archetypes").rglob("scores-*.safetensors")
    assert again != file


def test_means_are_those_of_the_items(imported):
    generate(imported)
    generate(imported, "tiny-qwen", limit=6)
    result = score(imported, item="b01")
    assert [text_set.model for text_set in result.sets] == ["tiny-llama", "tiny-qwen"]
    assert result.notes == ["The sets hold texts of different items: compare them with --common, or finish them first."]
    for text_set, n in zip(result.sets, (12, 6), strict=True):
        assert set(text_set.measures) == set(verbs.MEASURES)
        assert text_set.measures["specificity"].n == text_set.measures["segments"].n == n
        assert (
            text_set.measures["specificity"].low
            < text_set.measures["specificity"].mean
            < text_set.measures["specificity"].high
        )
        assert set(text_set.item) == {name for name, measure in verbs.MEASURES.items() if measure.per_item}
    items = [verbs.item_scores(imported, "shop", item)[0].scores for item in imported.load_dataset("shop").items["item_id"]]
    assert result.sets[0].item == items[0]
    assert result.sets[0].measures["specificity"].mean == pytest.approx(np.mean([scores["specificity"] for scores in items]))

    common = score(imported, common=True)
    assert [text_set.measures["specificity"].n for text_set in common.sets] == [6, 6]
    assert common.sets[0].measures["specificity"].mean == pytest.approx(
        np.mean([scores["specificity"] for scores in items[:6]])
    )
    assert common.notes[0].startswith("Means are over the 6 items")
    assert [text_set.model for text_set in score(imported, archetypes=["tiny-qwen"]).sets] == ["tiny-qwen"]


def test_pages_get_texts_judged_without_any_measuring(imported, measured, monkeypatch):
    generate(imported, limit=2)
    text = "Made for ages 3 to 5, by Labora.\n1. Parents: x\n2. Makers: y"
    judged = verbs.score_text(imported, "shop", "b01", text)
    assert [(text[claim.start : claim.end], claim.kind, claim.supported) for claim in judged.claims] == [
        ("ages 3 to 5", "age", False),
        ("Labora", "brand", False),
    ]
    assert (judged.grounding, judged.segments) == (0.0, 2)
    (judgement,) = verbs.item_scores(imported, "shop", "b01")
    assert (judgement.scores, judgement.stale, measured) == ({}, True, [])
    assert judgement.text.segments == 0 and verbs.item_scores(imported, "shop", "b09") == []

    next(imported.path("datasets").rglob("vocabulary-*.json")).unlink()
    monkeypatch.setattr(scored_items, "LIVE_ITEMS", 5)  # a large catalogue: nothing is learned while a page waits
    assert verbs.score_text(imported, "shop", "b01", text) is None
    assert verbs.item_scores(imported, "shop", "b01")[0].text is None
    score(imported)
    assert verbs.score_text(imported, "shop", "b01", text) == judged


def test_an_interruption_loses_the_set_at_hand_only(imported, measured):
    generate(imported)
    generate(imported, "tiny-qwen")

    class Cancelled(Exception):
        pass

    def cancel(done, total, what):
        if what == "scoring tiny-qwen" and done:
            raise Cancelled

    with pytest.raises(Cancelled):
        score(imported, cancel)
    assert len(score(imported).sets) == 2 and measured == [12, 12, 12]


def test_scores_go_with_the_data_set_and_not_without_their_file(imported):
    generate(imported)
    score(imported)
    (file,) = imported.path("archetypes").rglob("scores-*.safetensors")
    assert artifacts.load_arrays(file)["novelty"].shape == (12,)
    verbs.delete_dataset(imported, verbs.DeleteRequest(dataset="shop"))
    assert not file.exists()


def test_what_cannot_be_scored(imported):
    with pytest.raises(InputError, match="no archetypes to score"):
        score(imported)
    generate(imported, limit=2)
    with pytest.raises(NotFoundError, match="gpt"):
        score(imported, archetypes=["gpt"])
    with pytest.raises(NotFoundError, match="'b99'"):
        score(imported, item="b99")
    with pytest.raises(NotFoundError, match="'b99'"):
        verbs.item_scores(imported, "shop", "b99")


def test_sets_without_states_have_scores_of_their_texts(imported):
    generate(imported)
    for path in imported.path("archetypes").rglob("states-*.safetensors"):
        path.unlink()
    (text_set,) = score(imported).sets
    assert text_set.measures["segments"].n == 12
    assert (text_set.measures["specificity"].mean, text_set.measures["behaviour"].mean) == (None, None)


def test_the_table_of_a_terminal(imported, capsys):
    generate(imported)
    assert main(["score", "shop", "--item", "b01", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["model", "(set)", "texts"] and "Behaviour agreement" in lines[0]
    assert lines[1].startswith("tiny-llama (") and lines[2].startswith("  item b01")
    assert lines[3] == "Means with their 95 % intervals."
