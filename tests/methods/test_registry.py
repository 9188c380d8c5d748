"""The registry of methods: every one builds, scores any session, and refuses what does not fit."""

import pytest
import torch

from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError
from genair_engine.interfaces import DotProduct
from genair_engine.methods.config import ModelConfig
from genair_engine.methods.recommender import TableRecommender
from genair_engine.methods.registry import BACKBONES, METHODS, build_recommender

SMALL = {"dim": 8, "layers": 1, "max_len": 4}


def build(method: str, backbone: str = "sasrec"):
    torch.manual_seed(0)
    representation = torch.randn(6, 5) if METHODS[method].needs_representation else None
    return build_recommender(ModelConfig(method=method, backbone=backbone, **SMALL), 6, representation)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_scores_any_session_the_same_alone_and_in_company(method, backbone):
    recommender = TableRecommender(build(method, backbone))
    sessions = [[1, 2], [3], [6, 5, 4, 3, 2, 1]]
    together = recommender.score(Sessions.from_lists(sessions))
    assert together.shape == (3, 7) and torch.isfinite(together).all()
    for row, session in enumerate(sessions):
        torch.testing.assert_close(recommender.score(Sessions.from_lists([session]))[0], together[row])
    some = recommender.score(Sessions.from_lists(sessions), torch.tensor([5, 1, 5]))
    torch.testing.assert_close(some, together[:, [5, 1, 5]])
    assert isinstance(recommender, DotProduct)
    dot_product = recommender.states(Sessions.from_lists(sessions)) @ recommender.table().T
    torch.testing.assert_close(dot_product, together)


@pytest.mark.parametrize("method", METHODS)
def test_items_that_are_added_are_scored_beside_the_others(method):
    recommender = TableRecommender(build(method))
    more = recommender.with_items(torch.cat([recommender.table()[3:4], torch.ones(1, 8)]))
    sessions = Sessions.from_lists([[1, 2], [6, 5, 4, 3, 2, 1]])
    plain, scores = recommender.score(sessions), more.score(sessions)
    assert scores.shape == (2, 9) and plain.shape == (2, 7)
    torch.testing.assert_close(scores[:, :7], plain)
    torch.testing.assert_close(scores[:, 7], plain[:, 3])
    torch.testing.assert_close(scores[:, 8], recommender.states(sessions).sum(dim=1))


@pytest.mark.parametrize("method", METHODS)
def test_weights_round_trip_through_the_state_dict(method):
    first, second = build(method), build(method)
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.zero_()
    second.load_state_dict(first.state_dict())
    scores = [TableRecommender(model).score(Sessions.from_lists([[1, 4]])) for model in (first, second)]
    assert torch.equal(*scores)


def test_a_representation_is_required_and_must_fit():
    with pytest.raises(InputError, match="needs an item representation"):
        build_recommender(ModelConfig(**SMALL), 6)
    with pytest.raises(InputError, match="7 rows for 6 items"):
        build_recommender(ModelConfig(**SMALL), 6, torch.zeros(7, 5))


@pytest.mark.parametrize("backbone", ["sasrec", "gru4rec"])
def test_the_shortcut_against_its_formula(backbone):
    """s_t = √d (W e_t + Σ_{u ≤ t} 0.7^(t − u) f_u) on top of the backbone's state, summed place by place."""
    config = ModelConfig(method="id", backbone=backbone, shortcut=True, dropout=0.0, **SMALL)
    torch.manual_seed(0)
    model = build_recommender(config, 6).eval()
    plain = build_recommender(config.model_copy(update={"shortcut": False}), 6).eval()
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
        found = model.last_states(session, table) - plain.last_states(session, table)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_the_shortcut_starts_without_a_memory():
    model = build_recommender(ModelConfig(method="id", shortcut=True, **SMALL), 6)
    assert torch.equal(model.shortcut.last.weight, torch.eye(8)) and not model.shortcut.follow.weight.any()
