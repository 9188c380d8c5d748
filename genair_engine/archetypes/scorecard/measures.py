"""The scorecard's measures: what each is called, says and ranges over. Interface, terminal and stored scores use these
names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

VERSION = 1
"""Of the measures' definitions; scores of another version are measured anew."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Measure:
    """One measure. says: its definition in one sentence, for the interface. low, high: its range (None: no bound).

    better: which end is better, or neither. per_item: whether every item has a value. spread: how many times sd / √n the
    standard error of the mean is: 2 where an item's value is a mean over pairs of items (a U-statistic of order 2;
    Hoeffding 1948).
    """

    name: str
    title: str
    unit: str
    says: str
    low: float
    high: float | None
    better: Literal["higher", "lower", "neither"]
    per_item: bool = True
    spread: float = 1.0


MEASURES = {
    measure.name: measure
    for measure in (
        Measure(
            "grounding",
            "Grounding",
            "share of claims",
            "Share of the brands, materials, properties, numbers and ages which the text claims that the item's own metadata "
            "hold; a text that claims nothing has none.",
            0,
            1,
            "higher",
        ),
        Measure("segments", "Segments", "audiences", "How many audiences the text lists.", 0, None, "neither"),
        Measure(
            "specificity",
            "Specificity",
            "1 − cosine",
            "How far the archetype's states lie from those of the 10 items most like it (1 − mean cosine, after the "
            "directions that all archetypes share are taken off): 0 where other items have the same archetype.",
            0,
            2,
            "higher",
        ),
        Measure(
            "novelty",
            "Novelty",
            "1 − cosine",
            "How little of the wording is a copy of the item's metadata: 1 − the largest TF-IDF cosine to any of its fields.",
            0,
            1,
            "higher",
        ),
        Measure(
            "diversity",
            "Diversity",
            "1 − cosine",
            "How different the wording is from that of all other items: 1 − the mean TF-IDF cosine.",
            0,
            1,
            "higher",
            spread=2.0,
        ),
        Measure(
            "behaviour",
            "Behaviour agreement",
            "AUC",
            "How well closeness of archetypes tells pairs of items that a user took together (training interactions only) "
            "from random pairs of the same popularity: 0.5 is chance, 1 perfect.",
            0,
            1,
            "higher",
            per_item=False,
        ),
    )
}


def mean_and_interval(
    values: npt.NDArray[np.floating], measure: Measure
) -> tuple[float | None, float | None, float | None, int]:
    """Mean, 95 % interval (Student's t, within the measure's range) and number of the values [n] that are not nan.

    The interval is None with fewer than two values, the mean too with none.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    n = len(known)
    if n == 0:
        return None, None, None, 0
    mean = float(known.mean())
    if n < 2:
        return mean, None, None, n
    from scipy.special import stdtrit  # half a second, which those who only name the measures need not wait for

    reach = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * measure.spread * float(known.std(ddof=1)) / float(np.sqrt(n))
    high = mean + reach if measure.high is None else min(mean + reach, measure.high)
    return mean, max(mean - reach, measure.low), high, n
