"""Item tables: row N belongs to item N, padding is zero (oracle 4 of methods.md section 9)."""

import pytest
import torch

from genair_engine.errors import NonFiniteError
from genair_engine.models import IdItems, ProjectedItems


def representation(n_items: int = 7, dim: int = 5) -> torch.Tensor:
    return torch.randn(n_items, dim, generator=torch.Generator().manual_seed(0))


def test_row_of_the_table_is_the_projection_of_its_item():
    rows = representation()
    items = ProjectedItems(rows, dim=4)
    table = items.all_vectors()
    assert table.shape == (8, 4)
    for item in range(1, 8):
        torch.testing.assert_close(table[item], items.projector(rows[item - 1]))


def test_padding_is_the_zero_vector_whatever_the_projector_makes_of_zeros():
    items = ProjectedItems(representation(), dim=4)
    with torch.no_grad():
        items.projector[-1].bias.fill_(3.0)
    assert items.vectors(torch.tensor([0, 2, 0]))[[0, 2]].abs().max() == 0
    assert IdItems(7, 4).all_vectors()[0].abs().max() == 0


def test_the_representation_is_frozen_and_the_projector_is_not():
    items = ProjectedItems(representation(), dim=4)
    items.all_vectors().sum().backward()
    assert not items.representation.requires_grad
    assert all(parameter.grad is not None for parameter in items.projector.parameters())
    assert set(items.state_dict()) == {f"projector.{name}" for name in items.projector.state_dict()}


def test_padding_of_an_id_table_receives_no_gradient():
    items = IdItems(3, 4)
    items.vectors(torch.tensor([0, 1])).sum().backward()
    assert items.embedding.weight.grad[0].abs().max() == 0
    assert items.embedding.weight.grad[1].abs().max() > 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_the_first_bad_item_is_named(bad):
    rows = representation()
    rows[3, 1] = bad
    with pytest.raises(NonFiniteError, match="item index 4"):
        ProjectedItems(rows, dim=4)


@pytest.mark.parametrize("make", [lambda: IdItems(500, 128), lambda: ProjectedItems(representation(500, 60), 128)])
def test_vectors_start_at_a_length_of_order_one(make):
    torch.manual_seed(0)
    lengths = make().all_vectors()[1:].norm(dim=1)
    assert 0.3 < lengths.mean() < 3
