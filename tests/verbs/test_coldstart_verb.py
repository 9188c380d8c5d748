"""Cold start: hidden items whose content says what they are for are found, without anything of them in training."""

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import func, select

from genair_engine import verbs
from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.catalog.synthetic import write_lcrec
from genair_engine.errors import InputError, NotFoundError
from genair_engine.evaluation.coldstart import hide
from genair_engine.methods.item_parts import part_options
from genair_engine.store.runs import find_representation
from genair_engine.store.tables import RunRow
from genair_engine.verbs.evaluation import hidden_items
from tests.verbs_workspaces import SMALL

KINDS = ["a", "e", "i", "o", "u"]
"""Five kinds of items, told by the vowel in their titles, which the tests' encoder counts."""


@pytest.fixture
def clusters(workspace, vowels, tmp_path):
    """A data set whose users each take items of one kind, and a representation that tells kinds apart; the latter's id."""
    random = np.random.default_rng(3)
    titles = [kind * int(random.integers(20, 60)) for kind in KINDS for _ in range(12)]
    items = pd.DataFrame({"item_id": [f"i{number}" for number in range(60)], "title": titles})
    items["attributes"] = [{"title": title} for title in titles]
    rows = [random.permutation(12)[:6] + 12 * (user % 5) + 1 for user in range(200)]
    dataset = Dataset("clusters", items, Sequences.from_lists(rows), [f"u{user}" for user in range(200)])
    folder = tmp_path / "clusters"
    folder.mkdir()
    write_lcrec(dataset, folder)
    verbs.import_dataset(workspace, verbs.ImportRequest(path=folder, name="clusters"))
    return verbs.represent(workspace, verbs.RepresentRequest(dataset="clusters", model="minilm", title=True)).representation


def request(representation, **options):
    setting = {"dim": 16, "layers": 1, "epochs": 12, "learning_rate": 0.01, "batch_size": 20, "dropout": 0.1, "device": "cpu"}
    return verbs.ColdStartRequest(dataset="clusters", representation=representation, max_len=10, **(setting | options))


def test_hidden_items_are_found_by_their_content(workspace, clusters):
    seen = []
    result = verbs.coldstart(workspace, request(clusters, share=0.2), lambda *progress: seen.append(progress))
    rows = {row.method: row for row in result.rows}
    assert list(rows) == ["sasrec with genair", "content", "popularity", "random"]
    genair, content, popularity, chance = rows.values()
    assert (result.items, result.hidden, result.share, result.hide_seed) == (60, 12, 0.2, 42)
    assert result.cases["test"] > 20 and result.content_hash and result.representation == clusters
    assert set(result.dims) == {"prefill", "title"} and result.epochs <= 12
    for part in ("valid", "test"):
        assert chance.cold[part]["HR@10"] == pytest.approx(10 / 57, abs=0.02)
        assert genair.cold[part]["HR@10"] > 2 * chance.cold[part]["HR@10"]
        assert content.cold[part]["HR@10"] > 2 * chance.cold[part]["HR@10"]
        assert popularity.cold[part]["HR@20"] == 0
        assert chance.among_hidden[part]["HR@10"] == pytest.approx(10 / 12)
        assert genair.among_hidden[part]["NDCG@10"] >= genair.cold[part]["NDCG@10"]
    assert genair.warm["HR@10"] > 0.3 and chance.warm == {}
    assert "useless by construction" in popularity.purpose
    with workspace.reading() as session:
        assert session.scalar(select(func.count()).select_from(RunRow)) == 0
    assert seen[-1][0] == seen[-1][1] and any("epoch 2" in what for _, _, what in seen)
    text = "\n".join(result.lines())
    assert "12 of 60 items hidden (share 0.2, seed 42)" in text and "popularity: useless" in text
    assert verbs.coldstart(workspace, request(clusters, share=0.2)).rows == result.rows


def test_bases_and_scales_are_those_of_the_known_items(workspace, clusters):
    asked = request(clusters, share=0.3, scaling="parts")
    dataset = workspace.load_dataset("clusters")
    split = hide(dataset, asked.share, asked.hide_seed)
    with workspace.reading() as session:
        row = find_representation(session, workspace.dataset_row("clusters"), clusters)
    parts, hidden = hidden_items._parts(workspace, workspace.dataset_row("clusters"), split, row, lambda *_: None)
    options, dims = part_options(asked.config().options), parts.dims
    known, added = parts.read(options), parts.read(options, hidden)
    assert (len(known), len(added)) == (split.known.n_items, len(split.hidden))
    assert known.shape[1] == added.shape[1] == sum(dims.values())
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-5)
    assert np.abs(added.mean(axis=0)).max() > 0.01
    first = next(iter(dims.values()))
    for part in (known[:, :first], known[:, first:]):
        assert np.sqrt(np.square(part).mean()) == pytest.approx(1, rel=1e-4)


def test_states_that_were_kept_need_no_model(represented, tmp_path):
    workspace, name = represented
    settings = workspace.settings
    workspace.settings = settings.model_copy(update={"models_dir": tmp_path})
    options = SMALL | {"dataset": "shop", "representation": name, "share": 0.3, "hide_seed": 1}
    result = verbs.coldstart(workspace, verbs.ColdStartRequest(**options))
    assert result.hidden == 4 and result.model == "tiny-llama"
    assert sum(result.cases.values()) > 0


def test_what_cannot_be_measured_is_said_before_training(workspace, clusters):
    with pytest.raises(InputError, match="free item vectors"):
        verbs.coldstart(workspace, verbs.ColdStartRequest(dataset="clusters", method="id"))
    with pytest.raises(InputError, match="free item vectors"):
        verbs.coldstart(workspace, request(clusters, method="llminit"))
    with pytest.raises(NotFoundError, match="nope"):
        verbs.coldstart(workspace, request("nope"))
    with pytest.raises(InputError, match="no user has three interactions left"):
        verbs.coldstart(workspace, request(clusters, share=0.97))
