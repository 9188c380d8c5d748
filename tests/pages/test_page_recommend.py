"""Recommend: the session in the URL, editing it, models side by side, filters, new items, audiences, and limits."""

from __future__ import annotations

import re

import pytest

from tests.pages.conftest import OpenPage, check
from tests.workspaces import FilledWorkspace

METADATA = "title: Quick Test Meter\nbrand: Ohmly\ncategories: Electrical\ndescription: A meter for work with electrical."


def scores(shown: object) -> list[str]:
    return [element.value for element in shown.caption if element.value.startswith("score")]  # type: ignore[attr-defined]


def test_a_session_in_the_url_is_ranked(app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    shown = app("recommend", dataset="workshop", run=filled_workspace.run, session="i1,i2")
    ranks = [element.value for element in shown.markdown if re.fullmatch(r"\*\*\d+\*\*", element.value)]
    assert ranks == [f"**{rank}**" for rank in range(1, 11)]
    assert len(shown.get("download_button")) == 1
    assert [metric.label for metric in shown.metric][:2] == ["HR@10, all items", "NDCG@10, all items"]
    chips = [element for element in shown.markdown if re.search("diversity|novelty|long tail", element.value)]
    assert len(chips) == 3 and all(chip.help for chip in chips)


def test_ids_and_archetypes_side_by_side_with_rank_changes(app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    shown = app("recommend", dataset="workshop", session="i1,i2")
    both = [filled_workspace.id_run, filled_workspace.run]
    assert shown.query_params["run"] == ",".join(both)
    heads = [element.value for element in shown.markdown if element.value.startswith("**sasrec")]
    assert heads[-2:] == ["**sasrec · id**", "**sasrec · genair**"]
    assert len(scores(shown)) == 20
    moves = [element for element in shown.markdown if re.search("▲|▼|badge\\[=", element.value)]
    assert len(moves) == 10 and all("first model's ranking" in move.help for move in moves)
    assert len(shown.get("plotly_chart")) == 1
    shown = check(shown.multiselect(key="run_choice").set_value(both[::-1]).run())
    assert shown.query_params["run"] == ",".join(both[::-1])


def test_editing_the_session_ranks_again_at_once(app: OpenPage) -> None:
    shown = app("recommend", dataset="workshop", session="i1,i2,i3")
    shown = check(shown.button(key="session_up_2").click().run())
    assert shown.query_params["session"] == "i1,i3,i2"
    shown = check(shown.button(key="session_down_0").click().run())
    assert shown.query_params["session"] == "i3,i1,i2"
    shown = check(shown.button(key="session_remove_1").click().run())
    assert shown.query_params["session"] == "i3,i2"
    before = scores(shown)
    shown = check(shown.text_input(key="session_search").set_value("optics").run())
    add = next(button for button in shown.button if str(button.key).startswith("session_add_"))
    shown = check(add.click().run())
    assert re.fullmatch(r"i3,i2,i\d+", shown.query_params["session"])
    assert scores(shown) != before
    shown = check(shown.button(key="session_clear").click().run())
    assert "session" not in shown.query_params
    assert "Add at least one item" in shown.info[0].value


def test_size_and_seen_items_are_in_the_link(app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    shown = app("recommend", dataset="workshop", session="i1", run=filled_workspace.run)
    check(shown.segmented_control(key="k_view").set_value("50").run())
    assert len(scores(shown)) == 17 and shown.query_params["k"] == "50"
    check(shown.toggle(key="seen_switch").set_value(True).run())
    assert len(scores(shown)) == 18 and shown.query_params["seen"] == "1"
    again = app("recommend", dataset="workshop", session="i1", run=filled_workspace.run, k="50", seen="1")
    assert scores(again) == scores(shown)


def test_filters_of_the_link(app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    link = {"dataset": "workshop", "session": "i1", "run": filled_workspace.run, "k": "50"}
    shown = app("recommend", **link, groups="1,2,x")
    assert 0 < len(scores(shown)) < 17
    names = {element.value for element in shown.markdown if ":small[" in element.value}
    assert all("least popular" in name or "less popular" in name for name in names)
    shown = app("recommend", errors=True, **link, category="Nothing")
    assert not shown.exception and "passes the filters" in shown.error[0].value
    shown = app("recommend", **link, **{"from": "9", "to": "3"})
    assert "prices are not filtered" in shown.warning[0].value and len(scores(shown)) == 17


def test_a_test_users_session_with_its_held_out_item(app: OpenPage) -> None:
    shown = app("recommend", dataset="workshop")
    shown = check(shown.button(key="session_random").click().run())
    user, session = shown.query_params["user"], shown.query_params["session"].split(",")
    captions = [element.value for element in shown.caption]
    assert any(f"Session of test user {user}" in caption for caption in captions)
    assert sum(caption.startswith("rank") and "may be listed" in caption for caption in captions) == 1
    shown = check(shown.button(key="session_remove_0").click().run())
    assert shown.query_params["session"].split(",") == session[1:]
    assert any("edited" in element.value for element in shown.caption)
    check(shown.text_input(key="session_user").set_value("nobody").run())
    shown = check(shown.button(key="session_load").click().run())
    assert shown.query_params["user"] == user and any("nobody" in toast.value for toast in shown.toast)
    shown = check(shown.button(key="session_clear").click().run())
    assert "user" not in shown.query_params


def test_a_user_of_the_link_who_does_not_exist(app: OpenPage) -> None:
    shown = app("recommend", dataset="workshop", session="i1", user="nobody")
    assert "user" not in shown.query_params and len(scores(shown)) == 20


def test_a_new_item_is_written_and_ranked(app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    shown = app("recommend", dataset="workshop", session="i1", view="new")
    check(shown.text_area(key="new_item_text").set_value(METADATA).run())
    assert not shown.dataframe and shown.query_params["item_text"] == METADATA
    shown = check(shown.button(key="new_item_read").click().run())
    [placed] = [element.value for element in shown.dataframe]
    assert placed["Run"].tolist() == ["sasrec · genair"]
    assert re.fullmatch(r"rank \d+ of 18", placed["After the session"][0])
    assert "**demo\\-llama**" in [element.value for element in shown.markdown]
    again = app("recommend", dataset="workshop", session="i1", view="new", item_text=METADATA, read="1")
    assert again.dataframe[0].value.equals(placed)


def test_a_link_to_a_new_item_keeps_that_it_was_read(app: OpenPage) -> None:
    """Also where the field, just gone, sends its text once more, as a browser does on a busy machine."""
    shown = app("recommend", dataset="workshop", view="new")
    check(shown.text_area(key="new_item_text").set_value(METADATA).run())
    shown = check(shown.button(key="new_item_read").click().run())
    gone = [
        widget for widget in shown._tree.get_widget_states().widgets if widget.id == shown.text_area(key="new_item_text").id
    ]
    shown = check(shown.segmented_control(key="view_view").set_value("audience").run())
    late = shown._tree.get_widget_states()
    late.widgets.extend(gone)
    assert check(shown._run(late)).query_params["read"] == "1"
    shown = check(shown.segmented_control(key="view_view").set_value("new").run())
    assert shown.dataframe
    assert "read" not in check(shown.text_area(key="new_item_text").set_value("title: Other").run()).query_params
    assert check(shown.text_area(key="new_item_text").set_value(METADATA).run()).query_params["read"] == "1"


@pytest.mark.parametrize("text", ["{", "[1]", "x" * 25_000, "asin: B0007"])
def test_absurd_metadata_is_refused(app: OpenPage, text: str) -> None:
    shown = app("recommend", dataset="workshop", view="new")
    check(shown.text_area(key="new_item_text").set_value(text).run())
    shown = shown.button(key="new_item_read").click().run()
    assert not shown.exception and len(shown.error) == 1 and not shown.dataframe


def test_an_audience_finds_items_and_steers_a_session(app: OpenPage) -> None:
    shown = app("recommend", dataset="workshop", view="audience", audience="electricians")
    alone = [element.value for element in shown.caption if element.value.startswith("similarity")]
    assert len(alone) == 10
    assert any("states of demo\\-llama over its own archetypes" in element.value for element in shown.caption)
    assert shown.slider(key="audience_weight").disabled
    shown = app("recommend", dataset="workshop", view="audience", audience="electricians", session="i1", weight="20")
    assert shown.slider(key="audience_weight").value == 20
    assert sum(element.value.startswith("blend") for element in shown.caption) == 10
    shown = check(shown.slider(key="audience_weight").set_value(80).run())
    assert shown.query_params["weight"] == "80"


def test_what_does_not_exist_is_named_and_the_rest_is_used(app: OpenPage) -> None:
    shown = app("recommend", dataset="workshop", run="no-such-run", session="i1,nothing,a%2Cb")
    assert "There is no run “no" in shown.warning[0].value
    assert shown.query_params["session"] == "i1"
    assert "nothing, a,b" in [element.value for element in shown.text]


def test_a_run_named_twice_stands_there_once(app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    shown = app("recommend", dataset="workshop", run=f"{filled_workspace.run},{filled_workspace.run}", session="i1")
    assert len(scores(shown)) == 10


def test_other_pages_keep_their_views_and_filters(app: OpenPage) -> None:
    shown = app("archetypes", dataset="workshop", item="i1", view="rate")
    check(shown.switch_page("../pages/recommend.py").run())
    shown.query_params.clear()
    shown.query_params["from"], shown.query_params["session"] = "3", "i1"
    shown.run()  # says that no item has a price
    check(shown.segmented_control(key="view_view").set_value("new").run())
    shown.switch_page("../pages/archetypes.py")
    shown.query_params.clear()
    assert check(shown.run()).query_params["view"] == "rate"
    shown.switch_page("../pages/items.py")
    shown.query_params.clear()
    assert "from" not in check(shown.run()).query_params


def test_metadata_too_long_for_a_link_stay_in_the_tab(app: OpenPage) -> None:
    text = f"{METADATA} {'It lasts. ' * 250}"
    shown = app("recommend", dataset="workshop", session="i1", view="new")
    check(shown.text_area(key="new_item_text").set_value(text).run())
    shown = check(shown.button(key="new_item_read").click().run())
    assert len(shown.dataframe) == 1 and "item_text" not in shown.query_params and "read" not in shown.query_params
    check(shown.segmented_control(key="view_view").set_value("next").run())
    shown = check(shown.segmented_control(key="view_view").set_value("new").run())
    assert shown.text_area(key="new_item_text").value == text and len(shown.dataframe) == 1


def test_a_dataset_without_a_run_says_what_to_do(app: OpenPage) -> None:
    shown = app("recommend", dataset="untouched")
    assert "generate untouched" in shown.code[0].value


def test_a_long_session_is_cut(app: OpenPage) -> None:
    shown = app("recommend", dataset="workshop", session=",".join(f"i{k % 18}" for k in range(60)))
    assert "at most 50 items" in shown.warning[0].value
    assert sum(str(button.key).startswith("session_remove_") for button in shown.button) == 50


def test_the_session_survives_a_visit_to_another_page(app: OpenPage) -> None:
    shown = app("recommend", dataset="workshop", session="i1,i2")
    check(shown.switch_page("../pages/home.py").run())
    shown.query_params.clear()
    check(shown.switch_page("../pages/recommend.py").run())
    assert shown.query_params["session"] == "i1,i2"
