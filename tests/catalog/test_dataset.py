"""Sequences, the leave-two-out split and popularity against naive lists."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genair_engine.catalog.dataset import Dataset
from genair_engine.catalog.sequences import Sequences
from genair_engine.errors import InputError

N_ITEMS = 9
rows_of_items = st.lists(st.lists(st.integers(1, N_ITEMS), max_size=8), min_size=1, max_size=8)
logs = rows_of_items.filter(any)


def to_lists(sequences: Sequences) -> list[list[int]]:
    return [sequences[user].tolist() for user in range(len(sequences))]


def dataset(rows: list[list[int]]) -> Dataset:
    items = pd.DataFrame({"item_id": [f"i{number}" for number in range(N_ITEMS)]})
    return Dataset("random", items, Sequences.from_lists(rows), [f"u{number}" for number in range(len(rows))])


@given(rows=rows_of_items)
def test_sequences_are_the_lists_they_were_made_from(rows: list[list[int]]) -> None:
    sequences = Sequences.from_lists(rows)
    assert to_lists(sequences) == rows
    assert sequences.lengths.tolist() == [len(row) for row in rows]
    assert sequences.users.tolist() == [user for user, row in enumerate(rows) for _ in row]
    assert (sequences.items.dtype, sequences.offsets.dtype) == (np.int32, np.int64)


@given(rows=rows_of_items, data=st.data())
def test_take(rows: list[list[int]], data: st.DataObject) -> None:
    users = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10))
    assert to_lists(Sequences.from_lists(rows).take(np.array(users, dtype=np.int64))) == [rows[user] for user in users]


@given(rows=rows_of_items, data=st.data())
def test_without_last(rows: list[list[int]], data: st.DataObject) -> None:
    drop = [data.draw(st.integers(0, len(row))) for row in rows]
    shorter = Sequences.from_lists(rows).without_last(np.array(drop, dtype=np.int64))
    assert to_lists(shorter) == [row[: len(row) - n] for row, n in zip(rows, drop, strict=True)]


@given(rows=rows_of_items, max_len=st.integers(1, 10), data=st.data())
def test_padded(rows: list[list[int]], max_len: int, data: st.DataObject) -> None:
    users = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=10))
    kept = [rows[user][-max_len:] for user in users]
    width = max(1, *map(len, kept))
    padded = Sequences.from_lists(rows).padded(np.array(users, dtype=np.int64), max_len)
    assert padded.tolist() == [row + [0] * (width - len(row)) for row in kept]


@given(rows=logs)
def test_split_recomposes_every_sequence(rows: list[list[int]]) -> None:
    split = dataset(rows).split
    held_out = {
        int(user): [int(valid), int(test)] for user, valid, test in zip(split.users, split.valid, split.test, strict=True)
    }
    assert [train + held_out.get(user, []) for user, train in enumerate(to_lists(split.train))] == rows
    assert list(held_out) == [user for user, row in enumerate(rows) if len(row) >= 3]


@given(rows=logs, data=st.data())
def test_popularity_counts_training_events_only(rows: list[list[int]], data: st.DataObject) -> None:
    train = [item for row in rows for item in (row[:-2] if len(row) >= 3 else row)]
    expected = [0, *(train.count(item) for item in range(1, N_ITEMS + 1))]
    assert dataset(rows).popularity.tolist() == expected
    swapped = [[*row[:-2], *data.draw(st.permutations(row[-2:]))] if len(row) >= 3 else row for row in rows]
    assert dataset(swapped).popularity.tolist() == expected


@given(rows=logs)
def test_popularity_groups_rise_with_the_count_and_are_even(rows: list[list[int]]) -> None:
    data = dataset(rows)
    group, count = data.popularity_group[1:], data.popularity[1:]
    assert data.popularity_group[0] == 0
    order = np.lexsort((np.arange(N_ITEMS), count))
    assert (np.diff(group[order]) >= 0).all()
    sizes = np.bincount(group, minlength=6)[1:]
    assert sizes.max() - sizes.min() <= 1


def test_tiny_split(tiny: Dataset) -> None:
    evaluated = [tiny.user_ids[user] for user in tiny.split.users]
    assert evaluated == ["ann", "bob", "cem", "dia", "fay", "hal", "ida", "jon"]
    assert (tiny.split.valid[0], tiny.split.test[0]) == (3, 8)
    assert tiny.split.train[0].tolist() == [1, 2]
    assert tiny.popularity[12] == 0 and tiny.popularity[10] == 2
    assert tiny.popularity_group[12] == 1


@pytest.mark.parametrize(
    ("rows", "users", "n_items", "message"),
    [
        ([[1]], ["ann"], 0, "no items"),
        ([[]], ["ann"], 2, "no interactions"),
        ([[1, 3]], ["ann"], 2, "outside 1…2"),
        ([[0]], ["ann"], 2, "outside 1…2"),
        ([[1]], ["ann", "bob"], 2, "2 user ids for 1 sequences"),
    ],
)
def test_inconsistent_datasets(rows: list[list[int]], users: list[str], n_items: int, message: str) -> None:
    items = pd.DataFrame({"item_id": [str(number) for number in range(n_items)]})
    with pytest.raises(InputError, match=message):
        Dataset("wrong", items, Sequences.from_lists(rows), users)
