"""Items: search, facets, paging, choosing an item, links to it, and text that must not be markup."""

from __future__ import annotations

from tests.pages.conftest import OpenPage, check
from tests.workspaces import HOSTILE_ID, HOSTILE_TITLE


def test_search_and_facets_narrow_the_table(app: OpenPage) -> None:
    shown = app("items", dataset="workshop")
    assert len(shown.dataframe[0].value) == 15
    shown = check(shown.text_input(key="q_text").set_value("opt").run())
    assert list(shown.dataframe[0].value["Categories"]) == ["Optics"] * 2
    assert shown.query_params["q"] == "opt"
    brand = shown.dataframe[0].value["Brand"][1]
    shown = check(shown.selectbox(key="brand_choice").select(brand).run())
    assert list(shown.dataframe[0].value["Brand"]) == [brand]
    assert shown.query_params["brand"] == brand


def test_the_url_says_it_all(app: OpenPage) -> None:
    shown = app("items", dataset="workshop", q="optics", sort="-popularity", item="i7", **{"from": "demo-llama"})
    assert list(shown.dataframe[0].value["Taken"]) == sorted(shown.dataframe[0].value["Taken"])
    assert shown.selectbox(key="from_choice").value == "demo-llama"
    assert any("id i7" in element.value for element in shown.caption)


def test_the_second_page(app: OpenPage) -> None:
    assert len(app("items", dataset="workshop", page="2").dataframe[0].value) == 3
    assert len(app("items", dataset="workshop", page="99").dataframe[0].value) == 3
    assert len(app("items", dataset="workshop", page="x").dataframe[0].value) == 15


def test_choosing_an_item_shows_it_and_goes_on_to_the_other_pages(app: OpenPage) -> None:
    shown = app("items", dataset="workshop")
    shown = check(shown.selectbox(key="items_pick").select("i3").run())
    assert shown.query_params["item"] == "i3"
    assert any("id i3" in element.value for element in shown.caption)
    compared = check(shown.button(key="item_compare").click().run())
    assert compared.title[0].value == "Archetypes" and compared.query_params["item"] == "i3"
    started = check(app("items", dataset="workshop", item="i3").button(key="item_session").click().run())
    assert started.title[0].value == "Recommend" and started.query_params["session"] == "i3"


def test_what_does_not_exist_is_named(app: OpenPage) -> None:
    shown = app("items", dataset="nowhere", item="nothing")
    messages = [element.value for element in shown.warning]
    assert "There is no dataset “nowhere” here" in messages[0]
    shown = app("items", dataset="workshop", item="nothing")
    assert "does not exist" in shown.warning[0].value
    assert "Asked for: nothing" in [element.value for element in shown.text]
    assert app("items", dataset="workshop", q="zzz").info[0].value.startswith("Nothing matches")
    assert app("items", dataset="workshop", group="9").warning


def test_a_hostile_title_stays_text(app: OpenPage) -> None:
    shown = app("items", dataset="workshop", item=HOSTILE_ID)
    title = " ".join(HOSTILE_TITLE.split())
    assert title in [element.value for element in shown.text]
    for heading in shown.subheader:
        assert "**bold**" not in heading.value and "<script>" not in heading.value and ":red[" not in heading.value
