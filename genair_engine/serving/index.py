"""An approximate index over a model's item vectors: candidates for a state without looking at the whole catalogue.

An inverted file (Jégou et al. 2011, FAISS): items are clustered, a state visits the clusters nearest to it and compares
itself there with vectors of 8 bits a dimension. What it returns are candidates: whoever asks computes their exact scores
(`serving.ranker`), so that only the choice is approximate. How good the choice is was measured when the index was made, on
sessions of the data set, and is kept with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from genair_engine.errors import ModelError, WorkspaceError

if TYPE_CHECKING:
    from torch import Tensor

PAYS_FROM = 200_000
"""Items from which an index is worth its making: below, exact search takes a few milliseconds (benchmarks/README.md)."""
MOST = 100
"""Longest list that candidates are given for; recall is measured at 10, and longer lists are searched exactly."""
SPARE = 4
"""Candidates for a place in the list: their compressed scores are a little off, their exact ones decide."""


class IndexFacts(BaseModel):
    """What an index is and how good it is.

    lists, probes: clusters, and how many of them a state visits. recall: share of the exact top 10 that its top 10 holds, the
    mean over `sessions` sessions that were not used to choose `probes`. milliseconds, exact_milliseconds: median of one
    session's top 10 with the index and without it, where it was made, with `threads` CPU threads. table: sha256 of the item
    vectors that it belongs to.
    """

    model_config = ConfigDict(frozen=True)

    n_items: int
    dim: int
    lists: int
    probes: int
    recall: float
    sessions: int
    milliseconds: float
    exact_milliseconds: float
    threads: int
    table: str


class ApproximateIndex:
    """Safe to share between threads. index: a `faiss.IndexIVF` whose entry k is item index k + 1."""

    def __init__(self, index: Any, facts: IndexFacts) -> None:
        self._index = index
        self.facts = facts

    def serves(self, k: int) -> bool:
        """Whether lists of this length are within what its recall says something about."""
        return k <= MOST

    def candidates(self, states: npt.NDArray[np.float32], k: int, barred: int) -> npt.NDArray[np.int64]:
        """[b, m] item indices for states [b, d], in no particular order; 0 where fewer were found.

        k: places that they compete for; barred: how many of them may turn out not to compete.
        """
        faiss = load_faiss()
        faiss.omp_set_num_threads(1)  # waiting for each other costs two threads more than such a search takes one
        visit = faiss.SearchParametersIVF(nprobe=self.facts.probes)
        _, entries = self._index.search(np.ascontiguousarray(states), SPARE * k + barred, params=visit)
        return entries + 1  # FAISS marks a missing one by −1

    def arrays(self) -> tuple[dict[str, npt.NDArray[np.uint8]], dict[str, str]]:
        """The index as arrays and strings for an artifact."""
        return {"index": load_faiss().serialize_index(self._index)}, {"facts": self.facts.model_dump_json()}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], strings: Mapping[str, str], table: Tensor
    ) -> ApproximateIndex:
        """The index that `arrays` gave. Raises WorkspaceError where it does not belong to these item vectors."""
        facts = IndexFacts.model_validate_json(strings["facts"])
        if facts.table != fingerprint(table):
            raise WorkspaceError("The index belongs to other item vectors than the model's. Make it again with `index`.")
        return cls(load_faiss().deserialize_index(arrays["index"]), facts)


def fingerprint(table: Tensor) -> str:
    """sha256 of the item vectors."""
    return hashlib.sha256(np.ascontiguousarray(table.cpu().numpy()).data).hexdigest()


def load_faiss() -> Any:
    """The library. Raises ModelError where it is not installed."""
    try:
        import faiss
    except ImportError as error:
        raise ModelError("Approximate search needs FAISS: run `make setup`, or `pip install -r requirements.txt`.") from error
    return faiss
