"""What the page says of the numbers: never more than they do."""

from __future__ import annotations

import math

from app.ui import spread
from genair_engine import verbs


def spreads(
    name: str, *, width: int = 8, kind: str = "trained", never: int = 1, **values: tuple[float, float, float]
) -> verbs.SpaceSpread:
    """A space whose groups have these entropies: g1=(value, low, high), …"""
    groups = [
        {
            "group": int(group[1:]),
            "items": 10,
            "least": never if group == "g1" else 3 * int(group[1:]),
            "most": 3 * int(group[1:]) + 2,
            "bound": math.log(width),
            "entropies": [{"order": 1.0, "value": value, "low": low, "high": high}],
            "effective_rank": math.exp(value),
            "cosine": 0.1,
            "isotropy": 0.5,
        }
        for group, (value, low, high) in values.items()
    ]
    return verbs.SpaceSpread(
        space=name, dataset="d", kind=kind, what=name, width=width, parts=[], deviations=[], items=50, groups=groups
    )


def words(spreads: list[verbs.SpaceSpread], names: list[str]) -> str:
    return " ".join(spread.in_words(spreads, names))


NARROW = spreads("narrow", g1=(1.0, 0.9, 1.1), g5=(2.0, 1.9, 2.1))
WIDE = spreads("wide", g1=(1.8, 1.7, 1.9), g5=(1.9, 1.8, 2.05))


def test_one_space_compares_rare_with_popular_items() -> None:
    sentences = words([NARROW], ["A"])
    assert sentences.startswith(
        "A: rare items spread over about 3 directions of equal strength, popular ones over 7: rare items are "
    )
    assert "more concentrated" in sentences
    assert "less concentrated" in words([spreads("x", g1=(2.0, 1.9, 2.1), g5=(1.0, 0.9, 1.1))], ["A"])
    assert "In the least popular fifth" not in sentences and "another training seed" in sentences


def test_where_bands_overlap_there_is_no_difference() -> None:
    sentences = words([NARROW, WIDE], ["A", "B"])
    assert (
        "B: rare items spread over about 6" in sentences and "the bands overlap, so that no difference is certain" in sentences
    )
    assert "In the least popular fifth B spreads most widely, over 6 directions against 3 of A." in sentences
    assert "In the most popular fifth A and B cannot be told apart" in sentences


def test_without_bands_nothing_is_certain() -> None:
    bare = spreads("bare", g1=(1.0, None, None), g5=(2.0, None, None))
    assert "no difference is certain" in words([bare], ["A"])


def test_different_widths_are_said_and_small_groups_too() -> None:
    other = spreads("other", width=300, kind="fused", g1=(4.0, 3.9, 4.1), g5=(4.0, 3.9, 4.1))
    assert "different numbers of columns" in words([NARROW, other], ["A", "B"])
    assert "another training seed" not in words([other], ["B"])
    few = spreads("few", g1=(1.0, 0.9, 1.1))
    assert words([few], ["A"]).startswith("A: too few items in its groups to compare.")


def test_how_groups_were_cut() -> None:
    assert "Items taken equally often" not in spread.ties(NARROW) and "never saw" not in spread.ties(NARROW)
    tied = spreads("tied", never=0, g1=(1.0, 0.9, 1.1), g2=(1.0, 0.9, 1.1))
    lower, upper = tied.groups
    moved = tied.model_copy(update={"groups": [lower, upper.model_copy(update={"least": lower.most})]})
    assert "groups 1 and 2 (taken 5 times)" in spread.ties(moved)
    assert "Items that training never saw are in the least popular group" in spread.ties(moved)


def test_prefill_against_decoding() -> None:
    names = ("prefill states", "decoding states")
    assert spread.apart(0.99, 0.6, 0.2, names).startswith("Prefill states and decoding states fill two regions of their own.")
    assert "overlap in part" in spread.apart(0.8, 0.6, 0.2, names)
    assert "cannot be told apart by their means" in spread.apart(0.5, 0.6, 0.2, names)
    assert "no closer to each other" in spread.apart(0.5, 0.2, 0.2, names)
