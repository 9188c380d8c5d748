"""The array types that the engine's signatures are written in, by what an entry is; their shapes stand in the docstrings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
"""Positions, counts, users."""

ItemArray = npt.NDArray[np.int32]
"""Item indices 1…n_items, 0 for padding."""

BoolArray = npt.NDArray[np.bool_]

ByteArray = npt.NDArray[np.uint8]

Float32Array = npt.NDArray[np.float32]
"""Vectors and states, as models compute and artifacts keep them."""

Float64Array = npt.NDArray[np.float64]
"""Measures, and what is summed over many entries."""

States = dict[str, Float32Array]
"""What a language model or an encoder gives of several texts, by the name of the part: [n, d] each."""
