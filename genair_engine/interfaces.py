"""What a recommender is, whatever is behind it: a trained model, counts, a mixture of others.

`Recommender` is all that evaluation, lists and reasons ask for. The dot product is a capability beside it, which some
recommenders have: an index, an exported folder and pictures of item vectors need it. A method's tags say which its
recommenders have before anything is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from genair_engine.catalog.sessions import Sessions

if TYPE_CHECKING:
    from torch import Tensor


class Recommender(Protocol):
    """Scores the items of a catalogue as the next one of a session."""

    @property
    def reads(self) -> int | None:
        """How many of a session's last items a score depends on, at most; None where it is all of them."""

    def score(self, sessions: Sessions, items: Tensor | None = None) -> Tensor:
        """[B, n_items + 1] float32 scores of the items 1…n as the next one of each session; column 0 is meaningless.

        items: [m] int64, where only these are asked for: then [B, m], in their order, and nothing is computed for the others
        that can be spared. Every session holds an item. A fresh tensor every time: evaluation overwrites it.
        """


@runtime_checkable
class DotProduct(Recommender, Protocol):
    """A recommender whose score is the dot product of a session's state and an item's vector."""

    def states(self, sessions: Sessions) -> Tensor:
        """[B, d] the states that predict what follows each session."""

    def table(self) -> Tensor:
        """[n_items + 1, d] the item vectors; row 0 (padding) is zero. Computed once: not to be written to."""
