"""Behavioural calibration: items repel each other, less so where real users take them together (GenAIR eq. 9–14).

With C(i, j) = how often i and j stand in the same user's training history, S = ln(1 + C) / ln(1 + C_max) (eq. 10),
w = exp(−γ S) (eq. 11) and unit vectors e:   L_cal = mean over i ≠ j of  w(i, j) · exp(−t ‖e_i − e_j‖²)   (eq. 12, 14).

The paper's equation 13 and proof drop the constant e^(−2t); α is not portable between the two forms (factor e⁴ ≈ 54.6 at
t = 2), and this is equation 12. The public code has neither exponent nor t (methods.md 3.5 #1, #2). Pairs are those of the
*distinct* items of a batch: the same item twice is at distance 0 from itself and says nothing.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor

from genair_engine.catalog.dataset import Sequences


class Association:
    """The association score S of equation 10 as a sparse matrix, from training interactions only.

    scores: [n_items + 1, n_items + 1] CSR float32, symmetric, zero diagonal, largest entry 1 (empty if no two items
    ever met). An item taken a times by a user who took another b times counts a · b, as in the public code.
    """

    def __init__(self, train: Sequences, n_items: int) -> None:
        shape = (len(train), n_items + 1)
        taken = sparse.csr_array((np.ones(len(train.items), dtype=np.float32), (train.users, train.items)), shape=shape)
        together = (taken.T @ taken).tocsr()
        together.setdiag(0)
        together.eliminate_zeros()
        if together.nnz:
            together.data = np.log1p(together.data) / np.log1p(together.data.max())
        self.scores = together

    def between(self, items: Tensor) -> Tensor:
        """[m, m] float32 scores between `items` ([m] int64), on their device."""
        index = items.cpu().numpy()
        return torch.from_numpy(self.scores[index][:, index].toarray()).to(items.device)


def calibration_loss(vectors: Tensor, association: Tensor, t: float = 2.0, gamma: float = 3.0) -> Tensor:
    """L_cal of equation 14 over the ordered pairs i ≠ j of distinct items: a scalar in (0, 1].

    vectors: [m, d] item vectors, normalised here. association: [m, m] S. With γ = 0 it is the uniformity kernel of Wang &
    Isola (2020). Fewer than two items give 0.
    """
    m = len(vectors)
    if m < 2:
        return vectors.sum() * 0.0
    unit = F.normalize(vectors, dim=1)
    squared_distance = 2.0 - 2.0 * (unit @ unit.T)  # [m, m], exact for unit vectors
    kernel = torch.exp(-gamma * association - t * squared_distance)
    return (kernel.sum() - kernel.diagonal().sum()) / (m * (m - 1))
