"""The association score of items that real users take together (GenAIR eq. 9–10), from training interactions only.

With C(i, j) = how often i and j stand in the same user's training history, S = ln(1 + C) / ln(1 + C_max).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from genair_engine.catalog.sequences import Sequences

BLOCK_PAIRS = 1 << 20
"""Windowed counting holds about this many pairs at once (90 bytes each)."""


class Association:
    """The association score S of equation 10, from training interactions only, held sparsely on the training device.

    By default an item taken a times by a user who took another b times counts a · b over the whole history, as in the
    public code. window (at least 1): count only pairs of events at most this many positions apart. count_once: a user
    counts a pair at most once (methods.md 3.5 #13). No item is associated with itself. Time and memory grow linearly with
    the number of pairs.

    A pair is stored once, in the row of the item that has fewer partners: then no row is long, not even a bestseller's
    (at most √(2 · pairs) entries), and looking up a batch reads little.
    """

    def __init__(
        self,
        train: Sequences,
        n_items: int,
        window: int | None = None,
        count_once: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        if window is None:
            counts = _whole_history(train, n_items, count_once)
        else:
            counts = _within_window(train, n_items, window, count_once)
        partners = np.diff(counts.indptr)
        rank = np.empty(n_items + 1, dtype=np.int32)  # by number of partners, without ties: each pair keeps one row
        rank[np.argsort(partners, kind="stable")] = np.arange(n_items + 1)
        dropped = np.repeat(rank, partners) >= rank[counts.indices]  # a pair's other row, and the diagonal
        counts.data[dropped] = 0
        counts.eliminate_zeros()
        values = np.log1p(counts.data)
        values /= values.max(initial=1e-9)

        self._starts = torch.from_numpy(counts.indptr.astype(np.int64)).to(device)
        self._columns = torch.from_numpy(counts.indices.astype(np.int32)).to(device)
        self._values = torch.from_numpy(values).to(device)
        self._places = torch.zeros(n_items + 1, dtype=torch.int64, device=device)  # all 0 between calls

    @property
    def scores(self) -> sparse.csr_array:
        """S as a matrix, built at each call: [n_items + 1, n_items + 1] CSR float32 on the host, symmetric, its largest
        entry 1; empty if no two items ever met.
        """
        parts = tuple(part.cpu().numpy() for part in (self._values, self._columns, self._starts))
        half = sparse.csr_array(parts, shape=(len(self._places), len(self._places)))
        return (half + half.T).tocsr()

    def between(self, items: Tensor) -> Tensor:
        """[m, m] float32 scores between distinct `items` ([m] int64, on the device given at construction).

        Costs the stored entries of their rows and m² zeros; no entry leaves the device.
        """
        m = len(items)
        ends = self._starts.index_select(0, items + 1)
        lengths = ends - self._starts.index_select(0, items)
        row = torch.repeat_interleave(lengths)  # [entries] 0 … m − 1
        entry = torch.arange(len(row), device=items.device) + (ends - lengths.cumsum(0)).index_select(0, row)
        self._places[items] = torch.arange(1, m + 1, device=items.device)
        column = self._places.index_select(0, self._columns.index_select(0, entry))  # 0: an item that was not asked for
        self._places[items] = 0
        value = self._values.index_select(0, entry)
        # Row and column 0 take what was not asked for: cheaper than filtering it out.
        row += 1
        framed = self._values.new_zeros((m + 1) ** 2)
        framed.scatter_(0, row * (m + 1) + column, value).scatter_(0, column * (m + 1) + row, value)
        return framed.view(m + 1, m + 1)[1:, 1:]


def _whole_history(train: Sequences, n_items: int, count_once: bool) -> sparse.csr_array:
    """Counts of both orders of each pair, with the diagonal, as one sparse product.

    scipy counts the entries of the product before it fills them row by row: pairs are never held, only distinct ones.
    """
    ones = np.ones(len(train.items), dtype=np.float32)
    taken = sparse.coo_array((ones, (train.users.astype(np.int32), train.items)), shape=(len(train), n_items + 1)).tocsr()
    if count_once:
        taken.data[:] = 1
    return (taken.T @ taken).tocsr()


def _within_window(train: Sequences, n_items: int, window: int, count_once: bool) -> sparse.csr_array:
    """Counts of both orders of each pair at most `window` positions apart, over blocks of users.

    Sums of about equal size are added to each other, so that an entry is copied only a logarithmic number of times.
    """
    sums: list[sparse.csr_array] = []
    for block in _blocks(train, window):
        counts = _window_counts(block, n_items, window, count_once)
        while sums and sums[-1].nnz <= 2 * counts.nnz:
            counts = sums.pop() + counts
        sums.append(counts)
    half = functools.reduce(operator.add, reversed(sums))
    return (half + half.T).tocsr()


def _blocks(train: Sequences, window: int) -> Iterator[Sequences]:
    """Consecutive users whose pairs number about BLOCK_PAIRS together, at least one user at a time."""
    reach = np.minimum(np.maximum(train.lengths - 1, 0), window)
    pairs = np.cumsum(reach * train.lengths - reach * (reach + 1) // 2)
    cuts = np.flatnonzero(np.diff(pairs // BLOCK_PAIRS)) + 1
    for users in np.split(np.arange(len(train)), cuts):
        yield train.take(users)


def _window_counts(train: Sequences, n_items: int, window: int, count_once: bool) -> sparse.csr_array:
    """[n_items + 1, n_items + 1] counts, the smaller item of a pair as the row."""
    last = train.offsets[train.users + 1] - 1
    event = np.arange(len(train.items), dtype=np.int32)
    earlier, later = [event[:0]], [event[:0]]
    for offset in range(1, window + 1):
        event = event[event + offset <= last[event]]
        if len(event) == 0:
            break
        earlier.append(event)
        later.append(event + offset)
    first, second = np.concatenate(earlier), np.concatenate(later)
    turned = train.items[first] > train.items[second]
    low, high = np.where(turned, second, first), np.where(turned, first, second)

    # Rows of `met` are (user, item): where a user's repeats of a pair come together, and can be made to count once.
    owners, owner = np.unique(train.users * (n_items + 1) + train.items, return_inverse=True)
    coordinates = (owner.astype(np.int32)[low], train.items[high])
    met = sparse.coo_array((np.ones(len(low), dtype=np.float32), coordinates), shape=(len(owners), n_items + 1)).tocsr()
    if count_once:
        met.data[:] = 1
    ones, row = np.ones(len(owners), dtype=np.float32), np.arange(len(owners), dtype=np.int32)
    item_of = sparse.coo_array((ones, (row, owners % (n_items + 1))), shape=met.shape).tocsr()
    return (item_of.T @ met).tocsr()
