"""Item tables: row N belongs to item N, padding is zero (oracle 4 of methods.md section 9), and where each starts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genair_engine.errors import NonFiniteError
from genair_engine.models import IdItems, ItemTable, ProjectedItems, ResidualItems
from genair_engine.models.items import leading_components


def representation(n_items: int = 7, dim: int = 5) -> torch.Tensor:
    return torch.randn(n_items, dim, generator=torch.Generator().manual_seed(0))


TABLES = {
    "id": lambda rows, dim: IdItems(len(rows), dim),
    "llminit": lambda rows, dim: IdItems(len(rows), dim, leading_components(rows, dim)),
    "genair": ProjectedItems,
    "genair-id": ResidualItems,
}


def make(name: str, rows: torch.Tensor, dim: int = 4) -> ItemTable:
    torch.manual_seed(3)
    return TABLES[name](rows, dim)


@pytest.mark.parametrize("name", TABLES)
def test_any_ids_give_their_rows_of_the_table_and_padding_is_zero(name):
    items = make(name, representation())
    with torch.no_grad():
        for parameter in items.parameters():
            parameter.add_(0.1)  # a trained projector does not map zero to zero
        if name != "genair":  # what the optimizer never touches: the padding row of a free table gets no gradient
            (items.residual if name == "genair-id" else items.embedding).weight[0] = 0.0
    table, ids = items.all_vectors(), torch.tensor([3, 0, 7, 3, 1, 0])
    assert table.shape == (8, 4)
    torch.testing.assert_close(items.vectors(ids), table[ids])
    assert table[0].abs().max() == 0
    assert len(torch.unique(table, dim=0)) == 8  # no row stands twice


@pytest.mark.parametrize("name", ["genair", "genair-id", "llminit"])
def test_a_row_of_the_table_is_that_item_and_no_other(name):
    """Moving two items' rows in the input moves the same two rows of the table."""
    rows = representation()
    order = torch.tensor([0, 5, 2, 3, 4, 1, 6])
    table, moved = make(name, rows).all_vectors(), make(name, rows[order]).all_vectors()
    torch.testing.assert_close(moved[1:], table[1:][order], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["genair", "genair-id"])
def test_a_row_of_the_table_is_the_projection_of_its_input_row(name):
    rows = representation()
    items = make(name, rows)
    table = items.all_vectors()
    for item in range(1, 8):
        torch.testing.assert_close(table[item], items.projector(rows[item - 1]))


@pytest.mark.parametrize("name", TABLES)
def test_padding_receives_no_gradient_and_stays_zero(name):
    items = make(name, representation())
    optimizer = torch.optim.Adam(items.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        items.vectors(torch.tensor([0, 2, 0, 5])).sin().sum().backward()
        optimizer.step()
    assert items.all_vectors()[0].abs().max() == 0


def test_the_representation_is_frozen_and_the_projector_is_not():
    items = ProjectedItems(representation(), dim=4)
    items.all_vectors().square().sum().backward()
    assert not items.representation.requires_grad
    assert all(parameter.grad.abs().max() > 0 for parameter in items.projector.parameters())
    assert set(items.state_dict()) == {f"projector.{name}" for name in items.projector.state_dict()}


def test_the_residual_starts_at_the_projection_and_then_learns_what_is_asked_for():
    rows = representation()
    plain, residual = make("genair", rows), make("genair-id", rows)
    residual.projector.load_state_dict(plain.projector.state_dict())
    torch.testing.assert_close(residual.all_vectors(), plain.all_vectors(), rtol=0, atol=0)
    residual.vectors(torch.tensor([2, 4, 0])).square().sum().backward()
    asked = residual.residual.weight.grad.abs().amax(dim=1) > 0
    assert asked.nonzero().flatten().tolist() == [2, 4]
    assert all(parameter.grad is not None for parameter in residual.projector.parameters())
    with torch.no_grad():
        residual.residual.weight[4] += 1.0
    torch.testing.assert_close(residual.all_vectors()[4], plain.all_vectors()[4] + 1.0)
    assert torch.equal(residual.all_vectors()[5], plain.all_vectors()[5])  # content alone


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["genair", "genair-id", "llminit"])
def test_the_first_bad_item_is_named(name, bad):
    rows = representation()
    rows[3, 1] = rows[5, 0] = bad
    with pytest.raises(NonFiniteError, match="item index 4"):
        make(name, rows)


@pytest.mark.parametrize("name", TABLES)
def test_vectors_start_at_a_length_of_order_one_and_random_ones_small(name):
    lengths = make(name, representation(500, 200), dim=128).all_vectors()[1:].norm(dim=1)
    low, high = (0.1, 0.5) if name == "id" else (0.3, 3)
    assert low < lengths.mean() < high


@settings(max_examples=40)
@given(st.integers(2, 12), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**20), st.floats(0.01, 100), st.booleans())
def test_leading_components_are_those_of_the_singular_value_decomposition(n, width, dim, seed, scale, degenerate):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, width)) * scale + 5.0
    if degenerate:  # rank at most 2
        rows = rng.normal(size=(n, 2)) @ rng.normal(size=(2, width)) * scale
    rows = rows.astype(np.float32)
    components = leading_components(torch.from_numpy(rows), dim).double().numpy()
    assert components.shape == (n, dim)
    centred = rows.astype(np.float64) - rows.astype(np.float64).mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(dim, len(singular))
    length = np.sqrt((singular[:kept] ** 2).sum() / n)
    expected = np.pad(singular[:kept] / length, (0, dim - kept))
    gram = components.T @ components
    np.testing.assert_allclose(np.diag(gram), expected**2, rtol=1e-4, atol=1e-5 * n)  # in order, and scaled
    np.testing.assert_allclose(gram - np.diag(np.diag(gram)), 0.0, atol=1e-5 * n)  # orthogonal columns
    assert np.sqrt((components**2).sum(axis=1).mean()) == pytest.approx(1.0, rel=1e-4)
    separate = [
        k for k in range(kept) if singular[k] > 0 and np.abs(np.delete(singular, k) / singular[k] - 1).min(initial=1) > 0.05
    ]
    for k in (k for k in separate if expected[k] > 1e-3):  # directions that are not a matter of taste
        overlap = abs(left[:, k] @ components[:, k]) / np.linalg.norm(components[:, k])
        assert overlap == pytest.approx(1.0, abs=1e-3)


def test_leading_components_do_not_depend_on_an_offset():
    rows = representation(200, 6)
    offset = torch.tensor([1000.0, -500.0, 0.0, 3.0, 20.0, 4096.0])
    shifted = ((rows * 64).round() / 64 + offset) - offset  # what float32 keeps of it
    torch.testing.assert_close(leading_components(shifted + offset, 4), leading_components(shifted, 4), rtol=1e-4, atol=1e-5)


def test_the_sign_of_a_component_is_that_of_its_largest_loading():
    """Eigenvectors have no sign of their own: without a rule, two machines would start from different vectors."""
    rows = representation(50, 6)
    components = leading_components(rows, 4)
    loadings = (rows - rows.mean(dim=0)).T @ components  # proportional to the directions
    assert (loadings.gather(0, loadings.abs().argmax(dim=0, keepdim=True)) > 0).all()
    torch.testing.assert_close(leading_components(-rows, 4), -components, rtol=1e-4, atol=1e-5)


def test_identical_items_have_no_components():
    assert leading_components(torch.ones(4, 3), 5).abs().max() == 0
