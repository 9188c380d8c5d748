"""Comparing groups of runs: against scipy on the stored ranks, and what is refused."""

import numpy as np
import pytest
from scipy import stats

from genair_engine import __version__, verbs
from genair_engine.catalog.synthetic import synthetic_dataset, write_lcrec
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store.runs import find_run
from genair_engine.verbs.evaluation.measure import RANKS, load_ranks
from tests.verbs_workspaces import SMALL


def train(workspace, dataset="shop", **options):
    return verbs.train(workspace, verbs.TrainRequest(dataset=dataset, method="id", **(SMALL | options))).run


def compare(workspace, a, b, **options):
    return verbs.compare(workspace, verbs.CompareRequest(a=a, b=b, **options))


@pytest.fixture
def market(workspace, tmp_path):
    """A workspace with a data set of 60 users, and three runs each of two configurations."""
    (tmp_path / "market").mkdir()
    write_lcrec(synthetic_dataset(users=60, items=40, interactions=420, seed=5), tmp_path / "market")
    verbs.import_dataset(workspace, verbs.ImportRequest(path=tmp_path / "market", name="market"))
    short = [train(workspace, "market", epochs=1, seed=seed) for seed in (1, 2, 3)]
    long = [train(workspace, "market", epochs=3, learning_rate=0.02, seed=seed) for seed in (1, 2, 3)]
    return workspace, short, long


@pytest.mark.parametrize(("metric", "k", "protocol"), [("NDCG", 10, "full"), ("HR", 5, "sampled"), ("MRR", 7, "full")])
def test_means_and_p_values_are_those_of_scipy(market, metric, k, protocol):
    workspace, short, long = market
    result = compare(workspace, long, short, metric=f"{metric}@{k}", protocol=protocol, part="valid")

    def per_user(run):
        ranks = load_ranks(workspace.path(f"runs/{run}"), run)[f"valid.{'full' if protocol == 'full' else 'sampled100'}"]
        gain = {"NDCG": 1 / np.log2(ranks + 2), "HR": np.ones_like(ranks), "MRR": 1 / (ranks + 1)}[metric]
        return np.where(ranks < k, gain, 0.0)

    a, b = (np.stack([per_user(run) for run in group]) for group in (long, short))
    assert result.a.mean == pytest.approx(a.mean()) and result.b.mean == pytest.approx(b.mean())
    assert result.a.sd == pytest.approx(stats.tstd(a.mean(axis=1)))
    assert result.difference == pytest.approx(a.mean() - b.mean()) == result.users.difference
    expected = stats.ttest_rel(a.mean(axis=0), b.mean(axis=0))
    assert (result.users.t, result.users.p_t) == pytest.approx((expected.statistic, expected.pvalue))
    low, high = result.users.interval
    assert low < result.users.difference < high and result.users.n == a.shape[1]
    expected = stats.ttest_rel(a.mean(axis=1), b.mean(axis=1))
    assert (result.seeds.n, result.seeds.p_t) == (3, pytest.approx(expected.pvalue))
    assert result.seeds.interval is None and "too few for a bootstrap" in result.seeds.note and result.notes == []
    assert result.differing == {"learning_rate": (0.02, 0.001), "epochs": (3, 1)}
    assert (result.resamples, result.bootstrap_seed) == (10_000, 0)
    shown = "\n".join(result.lines())
    assert "(10,000 resamples, seed 0)" in shown
    assert "A / B: learning_rate 0.02 / 0.001, epochs 3 / 1" in shown
    assert f"{metric}@{k}, valid items of market" in shown and "over 3 seeds" in shown and "bootstrap 95%" in shown


def test_seeds_that_do_not_match_are_said(market):
    workspace, short, long = market
    result = compare(workspace, short[:1], long[1:])
    assert result.seeds is None and result.a.sd is None and "here are 0" in result.notes[0]
    assert "over seeds" not in "\n".join(result.lines()).lower().replace(result.notes[0].lower(), "")
    mixed = compare(workspace, [short[0], long[1]], [long[0]])
    assert mixed.notes[0] == "Group A mixes configurations: its runs differ in learning_rate, epochs."


def test_what_a_group_does_not_do_as_the_paper_is_named(imported):
    ours, theirs = train(imported, epochs=1, shortcut=True), train(imported, epochs=1, seed=2)
    result = compare(imported, [ours], [theirs])
    (departure,) = result.a.deviations
    assert "shortcut" in departure and result.b.deviations == []
    shown = "\n".join(result.lines())
    assert f"  A is not as in the paper: {departure}." in shown and "B is not" not in shown


def test_runs_of_other_devices_and_versions_differ(imported):
    a, b = train(imported, epochs=1), train(imported, epochs=1, seed=2)
    with imported.session() as session:
        row, _ = find_run(session, b)
        row.device, row.code_version = "2 × cuda", "0.0.1"
    result = compare(imported, [a], [b])
    assert result.differing == {"device": ("cpu", "2 × cuda"), "code_version": (__version__, "0.0.1")}


def test_what_does_not_compare_is_refused(imported, market):
    workspace, short, _ = market
    other = train(imported)
    with pytest.raises(InputError, match=r"different data sets \(market, shop\).*Compare runs of one of them"):
        compare(workspace, short, [other])
    with pytest.raises(InputError, match="is given twice"):
        compare(workspace, short, short[:1])
    with pytest.raises(InputError, match=r"are both of seed 42.*Leave one out"):
        compare(workspace, [other, train(imported, epochs=2)], [train(imported, seed=7)])
    with pytest.raises(NotFoundError, match="no run 'nothing'"):
        compare(workspace, short, ["nothing"])
    for change, message in (
        ({"protocol": {"negatives": 50}}, r"different protocols \(negatives\).*Train those of the older version again"),
        ({"state": "stopped"}, "is stopped.*give `train` with its options again, or leave it out"),
        ({"state": "failed", "error": "Training diverged"}, "has failed: Training diverged. .*Leave it out"),
    ):
        with workspace.session() as session:
            row, _ = find_run(session, short[1])
            kept = {name: getattr(row, name) for name in change}
            for name, value in change.items():
                setattr(row, name, kept[name] | value if isinstance(value, dict) else value)
        with pytest.raises(InputError, match=message):
            compare(workspace, short[:1], short[1:2])
        with workspace.session() as session:
            row, _ = find_run(session, short[1])
            for name, value in kept.items():
                setattr(row, name, value)
    workspace.path(f"runs/{short[2]}/{RANKS}").unlink()
    with pytest.raises(InputError, match=f"`evaluate {short[2]}` adds them"):
        compare(workspace, short[:1], short[2:])


def test_a_metric_that_is_none(imported):
    with pytest.raises(ValueError, match="metric"):
        verbs.CompareRequest(a=["x"], b=["y"], metric="AUC")
