"""A model's lists before and after an item's representation changes."""

import numpy as np
import pytest
import torch

from genair_engine.catalog.sessions import Sessions
from genair_engine.errors import InputError
from genair_engine.methods.config import RunConfig, build_recommender
from genair_engine.methods.item_parts import ItemParts
from genair_engine.methods.recommender import TableRecommender
from genair_engine.serving.ranker import Ranker
from genair_engine.serving.what_if import what_if

TAKEN = [[1, 2], [3], [5, 6, 7, 8, 2], [4, 1]]
SESSIONS = Sessions.from_lists(TAKEN)
ITEMS = [f"i{k}" for k in range(1, 13)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    rows = ItemParts.of_one_part(torch.randn(12, 6).numpy())
    return build_recommender(RunConfig.of(method="genair", dim=8, layers=1, max_len=4), 12, {"representation": rows})


def test_lists_are_those_of_the_recommender_with_either_representation(model):
    item, row = 3, np.linspace(-2, 2, 6, dtype=np.float32)
    changed = what_if(TableRecommender(model), item, row, SESSIONS, 5)
    for lists, representation in ((changed.before, None), (changed.after, row)):
        if representation is not None:
            model.items.representation[item] = torch.from_numpy(representation)
        ranker = Ranker(TableRecommender(model), ITEMS, ITEMS)
        assert lists.top.tolist() == ranker.top(TAKEN, 5)[0].tolist()
        whole = ranker.top(TAKEN, 12)[0].tolist()
        places = [0 if item in taken else ranked.index(item) + 1 for taken, ranked in zip(TAKEN, whole, strict=True)]
        assert lists.ranks.tolist() == places
    assert changed.cosine < 0.999


def test_the_model_is_as_before_and_the_same_row_changes_nothing(model):
    own = model.items.representation.clone()
    changed = what_if(TableRecommender(model), 7, own[7].numpy().copy(), SESSIONS, 3)
    assert (changed.before.top == changed.after.top).all() and (changed.before.ranks == changed.after.ranks).all()
    assert changed.cosine == pytest.approx(1.0)
    what_if(TableRecommender(model), 7, np.ones(6, dtype=np.float32), SESSIONS, 3)
    assert torch.equal(model.items.representation, own)


def test_ties_and_short_catalogues(model):
    with torch.no_grad():
        for parameter in model.items.projector.parameters():
            parameter.zero_()
    changed = what_if(TableRecommender(model), 4, np.zeros(6, dtype=np.float32), SESSIONS, 50)
    assert changed.before.top.shape == (4, 7)  # twelve items but for the longest session
    assert changed.before.top[1].tolist() == [1, 2, 4, 5, 6, 7, 8]
    assert changed.before.ranks.tolist() == [2, 3, 3, 0]
    assert TableRecommender(model).table().abs().max() == 0


def test_a_free_vector_beside_the_representation_stays_with_its_item():
    torch.manual_seed(0)
    config = RunConfig.of(method="genair-id", dim=8, layers=1, max_len=4)
    model = build_recommender(config, 12, {"representation": ItemParts.of_one_part(torch.randn(12, 6).numpy())})
    with torch.no_grad():
        model.items.residual.weight[1:].normal_()
    row = np.ones(6, dtype=np.float32)
    changed, new = TableRecommender(model).with_row(3, row).table(), TableRecommender(model).new_vectors(row[None])[0]
    torch.testing.assert_close(changed[3], new + model.items.residual.weight[3])
    model.items.representation[3] = 1.0
    torch.testing.assert_close(changed, TableRecommender(model).table())


def test_free_vectors_have_no_representation_to_change():
    model = build_recommender(RunConfig.of(method="id", dim=8, layers=1, max_len=4), 12)
    with pytest.raises(InputError, match="are free"):
        what_if(TableRecommender(model), 1, np.ones(6, dtype=np.float32), SESSIONS, 3)
