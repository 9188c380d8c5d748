"""The inner loop of `attention`, compiled by Numba when it is first called, and kept on disk for the next process."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import config, njit, prange, set_num_threads


def attend_on(threads: int, *arguments: Any) -> None:
    """`attend` on so many threads, or on as many as there are."""
    set_num_threads(min(threads, config.NUMBA_NUM_THREADS))
    attend(*arguments)


@njit(parallel=True, fastmath={"reassoc", "contract", "nsz"}, nogil=True, error_model="numpy", cache=True)
def attend(query, key, value, row_stride, head_stride, mask, key_heads, width, scale, out):  # type: ignore[no-untyped-def]
    """query, out: [rows * heads * width]. key, value: all that lies behind the first element. mask: [rows, columns] bool."""
    rows, columns = mask.shape
    group = len(query) // (rows * key_heads * width)  # heads that share keys and values
    for unit in prange(rows * key_heads):
        row = unit // key_heads
        base = row * row_stride + (unit % key_heads) * head_stride
        first = 0
        while first < columns and not mask[row, first]:
            first += 1
        weights = np.empty(columns, np.float32)
        for head in range(unit * group, (unit + 1) * group):
            asked = query[head * width : (head + 1) * width]
            largest = np.float32(-np.inf)
            for column in range(first, columns):
                column_key = key[base + column * width : base + (column + 1) * width]
                product = np.float32(0)
                for i in range(width):
                    product += asked[i] * column_key[i]
                weights[column] = product * scale if mask[row, column] else np.float32(-np.inf)
                largest = max(largest, weights[column])
            total = np.float32(0)
            for column in range(first, columns):
                weights[column] = np.exp(weights[column] - largest)
                total += weights[column]
            sums = np.zeros(width, np.float32)
            for column in range(first, columns):
                column_value, weight = value[base + column * width : base + (column + 1) * width], weights[column]
                for i in range(width):
                    sums[i] += weight * column_value[i]
            for i in range(width):
                out[head * width + i] = sums[i] / total
