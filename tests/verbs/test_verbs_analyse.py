"""`analyse`: the spread of spaces by popularity group, kept and used again; and the names of spaces."""

from __future__ import annotations

import json

import numpy as np
import pytest

from genair_engine import cli, verbs
from genair_engine.analysis.spectrum import entropy, gram, spectrum
from genair_engine.analysis.spread import mean_cosine
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store import artifacts
from genair_engine.verbs.analysis.analyse import measure
from genair_engine.verbs.analysis.spaces import load_vectors
from tests.verbs_workspaces import SMALL


@pytest.fixture
def trained(represented):
    """The represented workspace with a finished run of GenAIR, and both ids."""
    workspace, representation = represented
    run = verbs.train(workspace, verbs.TrainRequest(dataset="shop", representation=representation, **SMALL)).run
    return workspace, representation, run


def vectors_of(workspace, representation):
    return artifacts.load_arrays(workspace.path(f"representations/{representation}/representation.safetensors"))["vectors"]


def files(workspace):
    return {path: path.stat().st_mtime_ns for path in workspace.path("analyses").rglob("*.safetensors")}


def test_spaces_are_runs_representations_and_their_parts(trained):
    workspace, representation, run = trained
    listed = {space.space: space for space in verbs.spaces(workspace, "shop")}
    assert list(listed) == [run, representation, *(f"{representation}:{part}" for part in ("prefill", "decoding", "states"))]
    assert [space.kind for space in listed.values()] == ["trained", "fused", "prefill", "decoding", "states"]
    assert listed[run].width == 8 and listed[run].what == "sasrec with genair, loss ce, seed 42"
    whole = vectors_of(workspace, representation)
    prefill, decoding = (load_vectors(workspace, f"{representation}:{part}").vectors for part in ("prefill", "decoding"))
    np.testing.assert_array_equal(np.hstack([prefill, decoding]), whole)
    assert prefill.shape[1] == listed[f"{representation}:prefill"].width
    loaded = load_vectors(workspace, run)
    assert loaded.vectors.shape == (12, 8) and np.array_equal(loaded.items, np.arange(1, 13))


def test_states_are_brought_back_to_the_space_that_both_come_from(trained):
    workspace, representation, _ = trained
    loaded = load_vectors(workspace, f"{representation}:states")
    stored = artifacts.load_arrays(workspace.path(f"representations/{representation}/representation.safetensors"))
    assert loaded.vectors.shape == (24, len(stored["prefill.mean"]))
    assert np.array_equal(loaded.items, np.tile(np.arange(1, 13), 2)) and np.array_equal(loaded.part, [0] * 12 + [1] * 12)
    for part, rows in (("prefill", loaded.vectors[:12]), ("decoding", loaded.vectors[12:])):
        np.testing.assert_allclose(rows.mean(axis=0), stored[f"{part}.mean"], atol=1e-4)
        again = (rows - stored[f"{part}.mean"]) @ stored[f"{part}.components"].T
        columns = load_vectors(workspace, f"{representation}:{part}").vectors
        np.testing.assert_allclose(again, columns, atol=1e-3)


def test_the_numbers_are_those_of_the_vectors(trained):
    workspace, representation, run = trained
    result = verbs.analyse(workspace, verbs.AnalyseRequest(spaces=[representation, run], orders=[1, 2], resamples=30))
    assert [space.space for space in result.spaces] == [representation, run]
    dataset, whole = workspace.load_dataset("shop"), vectors_of(workspace, representation)
    measured = result.spaces[0]
    assert [group.group for group in measured.groups] == [0, 1, 2, 3, 4, 5]
    for group in measured.groups:
        members = slice(None) if group.group == 0 else dataset.popularity_group[1:] == group.group
        rows, taken = whole[members], dataset.popularity[1:][members]
        shares = spectrum(gram(rows))
        assert (group.items, group.least, group.most) == (len(rows), taken.min(), taken.max())
        assert [band.value for band in group.entropies] == pytest.approx([float(entropy(shares, order)) for order in (1, 2)])
        assert group.effective_rank == pytest.approx(np.exp(float(entropy(shares))))
        assert group.cosine == pytest.approx(mean_cosine(rows))
        for band in group.entropies:
            assert band.low <= band.value <= band.high <= group.bound + (band.high - band.low)
    lines = "\n".join(result.lines())
    assert "1 of 5" in lines and "not centred, as in the paper" in lines and "95% bands from 30 resamples" in lines


def test_what_was_measured_is_not_measured_again(trained):
    workspace, _, run = trained
    first = verbs.analyse(workspace, verbs.AnalyseRequest(spaces=[run], resamples=5))
    kept = files(workspace)
    assert len(kept) == 1
    other_order = verbs.AnalyseRequest(spaces=[run], resamples=5, orders=[0.5], confidence=0.5)
    again = verbs.analyse(workspace, other_order)
    assert files(workspace) == kept
    assert again.spaces[0].groups[0].cosine == first.spaces[0].groups[0].cosine
    verbs.analyse(workspace, verbs.AnalyseRequest(spaces=[run], resamples=5, centre=True))
    assert len(files(workspace)) == 2
    verbs.delete_dataset(workspace, verbs.DeleteRequest(dataset="shop"))
    assert not files(workspace)


def test_centring_takes_the_mean_of_all_items_away(trained):
    workspace, _, run = trained
    vectors = load_vectors(workspace, run).vectors
    group = verbs.analyse(workspace, verbs.AnalyseRequest(spaces=[run], resamples=0, centre=True)).spaces[0].groups[0]
    expected = float(entropy(spectrum(gram(vectors - vectors.mean(axis=0)))))
    assert group.entropies[0].value == pytest.approx(expected, abs=1e-5)
    assert group.entropies[0].low is None


def test_groups_too_small_to_measure_are_said_to_be(tiny):
    vectors = np.zeros((12, 3), dtype=np.float32)
    vectors[0] = 1.0
    measured = measure(tiny, vectors[:4], np.array([1, 2, 3, 12]), 0, seed=1)
    assert "shares.0" in measured
    assert not {f"shares.{group}" for group in range(1, 6) if measured["facts"][group, 0] < 2} & measured.keys()


def test_names_that_are_no_space(trained):
    workspace, representation, run = trained
    for name, message in (
        ("nothing", "no run or representation 'nothing'"),
        (f"{representation}:title", "has prefill and decoding, no title"),
        (f"{run}:prefill", "is a run: it has no prefill"),
    ):
        with pytest.raises(InputError, match=message):
            verbs.analyse(workspace, verbs.AnalyseRequest(spaces=[name]))
    with pytest.raises(NotFoundError, match=run[:-2]):
        verbs.find_space(workspace, run[:-2])


def test_an_order_that_there_is_no_entropy_of(trained, capsys):
    _, _, run = trained
    assert cli.main(["analyse", run, "--orders", "1,0"]) == 1
    assert "--orders: Input should be greater than 0" in capsys.readouterr().err


def test_the_command_prints_one_json_object(trained, capsys):
    _, representation, run = trained
    assert cli.main(["analyse", f"{run},{representation}:decoding", "--orders", "1,2", "--resamples", "3", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [space["space"] for space in printed["spaces"]] == [run, f"{representation}:decoding"]
    assert [band["order"] for band in printed["spaces"][0]["groups"][0]["entropies"]] == [1.0, 2.0]
