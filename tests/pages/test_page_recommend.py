"""Recommend: the session in the URL, editing it, the ranking, and its limits."""

from __future__ import annotations

import re

from tests.pages.conftest import OpenPage, check
from tests.workspaces import FilledWorkspace


def test_a_session_in_the_url_is_ranked(app: OpenPage, filled_workspace: FilledWorkspace) -> None:
    shown = app("recommend", dataset="workshop", run=filled_workspace.run, session="i1,i2")
    ranks = [element.value for element in shown.markdown if re.fullmatch(r"\*\*\d+\*\*", element.value)]
    assert ranks == [f"**{rank}**" for rank in range(1, 11)]
    assert len(shown.get("download_button")) == 1
    assert [metric.label for metric in shown.metric][:2] == ["HR@10, all items", "NDCG@10, all items"]


def test_editing_the_session_ranks_again_at_once(app: OpenPage) -> None:
    shown = app("recommend", dataset="workshop", session="i1,i2,i3")
    shown = check(shown.button(key="session_up_2").click().run())
    assert shown.query_params["session"] == "i1,i3,i2"
    shown = check(shown.button(key="session_down_0").click().run())
    assert shown.query_params["session"] == "i3,i1,i2"
    shown = check(shown.button(key="session_remove_1").click().run())
    assert shown.query_params["session"] == "i3,i2"
    before = [element.value for element in shown.caption if element.value.startswith("score")]
    shown = check(shown.text_input(key="session_search").set_value("optics").run())
    add = next(button for button in shown.button if str(button.key).startswith("session_add_"))
    shown = check(add.click().run())
    assert re.fullmatch(r"i3,i2,i\d+", shown.query_params["session"])
    assert [element.value for element in shown.caption if element.value.startswith("score")] != before
    shown = check(shown.button(key="session_clear").click().run())
    assert "session" not in shown.query_params
    assert "Add at least one item" in shown.info[0].value


def test_seen_items_and_size(app: OpenPage) -> None:
    shown = app("recommend", dataset="workshop", session="i1")

    def scores() -> int:
        return sum(element.value.startswith("score") for element in shown.caption)

    check(shown.segmented_control(key="result_size").set_value(50).run())
    assert scores() == 17
    check(shown.toggle(key="result_filter_seen").set_value(False).run())
    assert scores() == 18


def test_what_does_not_exist_is_named_and_the_rest_is_used(app: OpenPage) -> None:
    shown = app("recommend", dataset="workshop", run="no-such-run", session="i1,nothing,a%2Cb")
    assert "There is no run “no" in shown.warning[0].value
    assert shown.query_params["session"] == "i1"
    assert "nothing, a,b" in [element.value for element in shown.text]


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
