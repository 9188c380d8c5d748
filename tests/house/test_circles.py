"""The check of import circles finds made-up ones, and none in the project; that of names, too."""

import pytest

from tests.house import circles, names


@pytest.fixture
def package(tmp_path):
    def write(**files):
        (tmp_path / "shop").mkdir()
        for name, text in files.items():
            (tmp_path / "shop" / f"{name}.py").write_text(text)
        return circles.circles(circles.graph(tmp_path, ("shop",)))

    return write


def test_a_circle_round_three_corners_is_found_also_inside_of_a_function(package):
    groups = package(
        __init__="",
        goods="from shop.shelves import Shelf\n",
        shelves="import shop.rooms\n",
        rooms="def room():\n    from shop import goods\n    return goods\n",
        doors="from shop.rooms import room\n",
    )
    assert groups == [["shop.goods", "shop.rooms", "shop.shelves"]]


def test_what_type_checkers_alone_import_is_no_circle(package):
    lazy = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop.goods import Good\nelse:\n    Good = object\n"
    assert package(goods="from shop.shelves import Shelf\n", shelves=lazy) == []


def test_what_runs_where_type_checkers_do_not_look_counts(package):
    eager = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    from shop import goods\n"
    assert package(goods="from shop.shelves import Shelf\n", shelves=eager) == [["shop.goods", "shop.shelves"]]


def test_two_circles_are_two(package):
    groups = package(a="import shop.b", b="import shop.a", c="import shop.d, shop.a", d="import shop.c")
    assert groups == [["shop.a", "shop.b"], ["shop.c", "shop.d"]]


def test_the_project_has_none():
    assert circles.circles(circles.graph(circles.ROOT)) == []


def test_names_that_say_nothing_are_found_with_their_lines():
    source = "def made(one):\n    found = [one for one in one.said]\n    self.thing = found\n    print(found.one)\n"
    used = {(1, "made"), (1, "one"), (2, "found"), (2, "one"), (3, "found"), (3, "thing"), (4, "found")}
    assert set(names.names_of(source)) == used


def test_the_project_uses_none_of_them():
    assert names.main() == 0
