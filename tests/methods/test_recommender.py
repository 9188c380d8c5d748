"""A sequence recommender: items that are added beside its own, and the shortcut from items to states."""

import pytest
import torch

from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError
from genair_engine.methods.config import RunConfig, build_recommender
from genair_engine.methods.recommender import TableRecommender
from genair_engine.methods.registry import METHODS
from tests.methods import building

SMALL = {"dim": 8, "layers": 1, "max_len": 4}


def build(**options):
    torch.manual_seed(0)
    return building.built(RunConfig.of(**SMALL, **options), 6)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.tags.trained])
def test_items_that_are_added_are_scored_beside_the_others(method):
    recommender = TableRecommender(build(method=method))
    more = recommender.with_items(torch.cat([recommender.table()[3:4], torch.ones(1, 8)]))
    sessions = Sessions.from_lists([[1, 2], [6, 5, 4, 3, 2, 1]])
    plain, scores = recommender.score(sessions), more.score(sessions)
    assert scores.shape == (2, 9) and plain.shape == (2, 7)
    torch.testing.assert_close(scores[:, :7], plain)
    torch.testing.assert_close(scores[:, 7], plain[:, 3])
    torch.testing.assert_close(scores[:, 8], recommender.states(sessions).sum(dim=1))


def test_a_representation_is_required_and_must_fit():
    with pytest.raises(InputError, match="needs an item representation"):
        build_recommender(RunConfig.of(**SMALL), 6)
    with pytest.raises(InputError, match="7 rows for 6 items"):
        build_recommender(RunConfig.of(**SMALL), 6, {"representation": building.representation(7)})


@pytest.mark.parametrize("backbone", ["sasrec", "gru4rec"])
def test_the_shortcut_against_its_formula(backbone):
    """s_t = √d (W e_t + Σ_{u ≤ t} 0.7^(t − u) f_u) on top of the backbone's state, summed place by place."""
    model = build(method="id", backbone=backbone, shortcut=True, dropout=0.0).eval()
    plain = build(method="id", backbone=backbone, shortcut=False, dropout=0.0).eval()
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if not name.startswith("shortcut")})
    with torch.no_grad():
        model.shortcut.last.weight.normal_()
        model.shortcut.follow.weight[1:].normal_()
        table = model.items.all_vectors()
        session = torch.tensor([[2, 5, 5], [3, 0, 0]])
        expected = []
        for row in ([2, 5, 5], [3]):
            memory = sum(0.7 ** (len(row) - 1 - place) * model.shortcut.follow.weight[item] for place, item in enumerate(row))
            expected.append((model.shortcut.last.weight @ table[row[-1]] + memory) * 8**0.5)
        added = model.last_states(session, table) - plain.last_states(session, table)
    torch.testing.assert_close(added, torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_the_shortcut_starts_without_a_memory():
    model = build(method="id", shortcut=True)
    assert torch.equal(model.shortcut.last.weight, torch.eye(8)) and not model.shortcut.follow.weight.any()
