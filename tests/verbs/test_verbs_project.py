"""`project`: pictures by each method, their parameters and seeds, reuse, alignment, samples, and progress that can stop."""

from __future__ import annotations

import numpy as np
import pytest

from genair_engine import verbs
from genair_engine.analysis import projection
from genair_engine.errors import InputError
from genair_engine.pca import principal_axes
from genair_engine.verbs.analysis.spaces import load_vectors
from tests.verbs_workspaces import SMALL


@pytest.fixture
def run(imported):
    """A finished run without item content, on twelve items."""
    return imported, verbs.train(imported, verbs.TrainRequest(dataset="shop", method="id", **SMALL)).run


def picture(workspace, space, **options):
    request = verbs.ProjectRequest(spaces=[space], **options)
    return verbs.stored_picture(workspace, request, verbs.find_space(workspace, space))


def clusters(n=60, d=20, seed=0):
    """Three clusters far apart, and which of them each row is in."""
    random = np.random.default_rng(seed)
    member = np.arange(n) % 3
    return (random.normal(size=(3, d))[member] * 10 + random.normal(size=(n, d))).astype(np.float32), member


def test_pca_is_the_leading_plane_and_is_kept(run):
    workspace, name = run
    assert picture(workspace, name) is None
    request = verbs.ProjectRequest(spaces=[name])
    (first,) = verbs.project(workspace, request).projections
    assert first.computed and (first.points, first.of) == (12, 12)
    vectors = load_vectors(workspace, name).vectors
    mean, sums, axes = principal_axes(vectors)
    stored = picture(workspace, name)
    expected = (vectors - mean) @ axes[:2].T
    expected /= np.sqrt(np.square(expected).sum(axis=1).mean())
    np.testing.assert_allclose(stored.points, expected, atol=1e-4)
    assert stored.explained == pytest.approx((sums[:2] / sums.sum()).tolist(), abs=1e-5)
    assert np.array_equal(stored.items, np.arange(1, 13))
    (again,) = verbs.project(workspace, request).projections
    assert not again.computed and again.seconds == first.seconds


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_neighbours_stay_neighbours_and_a_seed_repeats_itself(method):
    vectors, member = clusters()
    told = []

    def tell(done, total, what):
        told.append((done, total, what))

    options = {"metric": "cosine", "seed": 3}
    options |= {"perplexity": 30.0} if method == "tsne" else {"neighbours": 10, "min_distance": 0.1}
    points, again = (getattr(projection, method)(vectors, tell, **options).points for _ in range(2))
    np.testing.assert_array_equal(points, again)
    distances = np.linalg.norm(points[:, None] - points, axis=-1) + np.diag(np.full(len(points), np.inf))
    assert (member[distances.argmin(axis=1)] == member).mean() > 0.95
    assert any("iteration" in what or "epoch" in what for _, _, what in told)
    assert all(0 <= done <= total for done, total, _ in told)


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_it_stops_where_progress_says_so(method):
    """As a cancelled job does: an exception out of the report of progress ends the library's loop."""
    vectors, _ = clusters()

    def tell(done, total, what):
        if done > 0:
            raise KeyboardInterrupt

    options = {"metric": "euclidean", "seed": 1}
    options |= {"perplexity": 10.0} if method == "tsne" else {"neighbours": 5, "min_distance": 0.0}
    with pytest.raises(KeyboardInterrupt):
        getattr(projection, method)(vectors, tell, **options)


def test_degenerate_vectors_have_pictures_too():
    for vectors in (np.ones((8, 3), dtype=np.float32), np.zeros((8, 1), dtype=np.float32)):
        assert np.isfinite(projection.pca(vectors).points).all()
        assert projection.pca(vectors).points.shape == (8, 2)
        tell = lambda done, total, what: None  # noqa: E731
        tsne = projection.tsne(vectors, tell, perplexity=30.0, metric="cosine", seed=0)
        umap = projection.umap(vectors, tell, neighbours=15, min_distance=0.1, metric="cosine", seed=0)
        assert np.isfinite(tsne.points).all() and np.isfinite(umap.points).all()
    with pytest.raises(InputError, match="at least 5 items"):
        projection.tsne(np.eye(3, dtype=np.float32), tell, perplexity=2.0, metric="cosine", seed=0)


def test_parameters_of_other_methods_make_no_new_picture(run):
    workspace, name = run
    verbs.project(workspace, verbs.ProjectRequest(spaces=[name]))
    assert picture(workspace, name, perplexity=5.0, neighbours=3) is not None
    assert picture(workspace, name, seed=7) is None
    assert picture(workspace, name, method="tsne") is None
    result = verbs.project(workspace, verbs.ProjectRequest(spaces=[name], method="tsne", perplexity=5.0))
    assert result.parameters == {"method": "tsne", "metric": "cosine", "perplexity": 5.0, "points": 60_000, "seed": 42}
    assert picture(workspace, name, method="tsne") is None
    assert picture(workspace, name, method="tsne", perplexity=5.0).explained is None


def test_several_spaces_are_turned_onto_the_first(represented):
    workspace, representation = represented
    run = verbs.train(workspace, verbs.TrainRequest(dataset="shop", representation=representation, **SMALL)).run
    names = [representation, f"{representation}:prefill", run]
    told = []
    verbs.project(workspace, verbs.ProjectRequest(spaces=names), lambda done, total, what: told.append((done, total, what)))
    assert told[-1][:2] == (300, 300) and all(name in told[-1][2] for name in (run, "projected"))
    alone = [picture(workspace, name) for name in names]
    turned = verbs.aligned(alone)
    np.testing.assert_array_equal(turned[0].points, alone[0].points)
    assert turned[0].agreement is None and all(0 <= projected.agreement <= 1 + 1e-9 for projected in turned[1:])
    for before, after in zip(alone, turned, strict=True):
        assert np.square(after.points).sum(axis=1).mean() == pytest.approx(1)
        gaps = [np.linalg.norm(projected.points[:, None] - projected.points, axis=-1) for projected in (before, after)]
        np.testing.assert_allclose(*gaps, atol=1e-9)
        assert np.square(after.points - turned[0].points).sum() <= np.square(before.points - turned[0].points).sum() + 1e-9
    assert verbs.aligned([]) == []


def test_states_hold_every_item_twice_and_say_how_they_differ(represented):
    workspace, representation = represented
    (first,) = verbs.project(workspace, verbs.ProjectRequest(spaces=[f"{representation}:states"])).projections
    assert (first.points, first.of) == (12, 12)
    stored = picture(workspace, f"{representation}:states")
    assert np.array_equal(stored.items, np.tile(np.arange(1, 13), 2))
    loaded = load_vectors(workspace, f"{representation}:states").vectors
    prefill, decoding = loaded[:12], loaded[12:]
    centres = np.stack([prefill.mean(axis=0), decoding.mean(axis=0)])
    nearest = np.linalg.norm(loaded[:, None] - centres, axis=-1).argmin(axis=1)
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (prefill, decoding)]
    cosines = units[0] @ units[1].T
    own, same, others = stored.contrast
    assert own == pytest.approx((nearest == stored.part).mean())
    assert same == pytest.approx(np.diag(cosines).mean(), abs=1e-5)
    assert others == pytest.approx(cosines[~np.eye(12, dtype=bool)].mean(), abs=1e-5)


def test_of_a_larger_catalogue_a_sample_is_shown(represented):
    workspace, representation = represented
    for name in (representation, f"{representation}:states"):
        verbs.project(workspace, verbs.ProjectRequest(spaces=[name], points=10))
    sample, both = (picture(workspace, name, points=10) for name in (representation, f"{representation}:states"))
    assert (len(sample.items), sample.of) == (10, 12)
    np.testing.assert_array_equal(both.items, np.tile(sample.items, 2))
    groups = workspace.load_dataset("shop").popularity_group[sample.items]
    assert len(np.unique(groups)) == 5
    other = verbs.stored_picture(workspace, verbs.ProjectRequest(spaces=[representation]), sample.space)
    verbs.project(workspace, verbs.ProjectRequest(spaces=[representation]))
    other = picture(workspace, representation)
    with pytest.raises(InputError, match="same items"):
        verbs.aligned([other, sample])
