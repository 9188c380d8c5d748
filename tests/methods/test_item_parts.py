"""What a model reads of a representation: all of its parts or all but one, as they are or on one scale."""

import numpy as np
import pytest

from genair_engine.errors import InputError
from genair_engine.methods.config import RunConfig
from genair_engine.methods.item_parts import ItemParts, PartOptions

ROWS = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32) * np.array([9, 9, 1, 1, 1, 0], dtype=np.float32)
PARTS = ItemParts(ROWS, {"decoding": 2, "mood": 3, "title": 1}, "r1")


def test_parts_stand_side_by_side_as_they_are():
    assert np.array_equal(PARTS.read(PartOptions()), ROWS)
    assert np.array_equal(PARTS.read(PartOptions(without="mood")), ROWS[:, [0, 1, 5]])  # whatever a part is called


def test_parts_on_one_scale_are_divided_by_their_root_mean_square():
    scaled = PARTS.read(PartOptions(scaling="parts"))
    for columns in (slice(0, 2), slice(2, 5)):
        root_mean_square = np.sqrt(np.square(ROWS[:, columns].astype(np.float64)).mean())
        np.testing.assert_allclose(scaled[:, columns], ROWS[:, columns] / root_mean_square, rtol=1e-5)
    assert not scaled[:, 5].any()  # a part that is all zero stays so
    assert scaled.dtype == np.float32


def test_a_new_item_is_put_on_the_scale_of_the_catalogue():
    options = PartOptions(scaling="parts", without="decoding")
    np.testing.assert_array_equal(PARTS.read(options, ROWS[3:4]), PARTS.read(options)[3:4])


@pytest.mark.parametrize("without", ["prefill", "Mood"])
def test_a_part_that_is_not_there_cannot_be_left_out(without):
    with pytest.raises(InputError, match=f"r1 holds decoding and mood and title: leaving out {without}"):
        PARTS.read(PartOptions(without=without))


def test_the_only_part_cannot_be_left_out():
    with pytest.raises(InputError, match="holds vectors: leaving out vectors"):
        ItemParts.of_one_part(ROWS).read(PartOptions(without="vectors"))


def test_parts_that_the_paper_does_not_have_are_said():
    parts = ["prefill", "decoding", "title", "mood"]
    departures = {without: RunConfig.of(without=without).departures(parts) for without in (None, "title", "decoding")}
    title, mood = (f"{part} as one more part of the representation (extension)" for part in ("title", "mood"))
    assert departures == {None: [title, mood], "title": [mood], "decoding": [title, mood]}
    assert RunConfig.of(method="id").departures(parts) == []  # it reads none
