"""Rating: names hidden until the vote, an order that stays, ballots that are kept, and win rates with their intervals."""

from __future__ import annotations

import re

from streamlit.testing.v1 import AppTest

from app.ui.studio import columns, rating
from genair_engine import verbs
from genair_engine.workspace import Workspace
from tests.pages.conftest import OpenPage, check


def markdown(shown: AppTest) -> list[str]:
    return [element.value.replace("\\", "") for element in shown.markdown]


def letters(shown: AppTest) -> dict[str, str]:
    """Letter to the beginning of its text, in the order of the columns."""
    texts, blocks = {}, markdown(shown)
    for place, block in enumerate(blocks):
        if match := re.match(r"\*\*Text ([AB])\*\*", block):
            texts.setdefault(match[1], blocks[place + 1])
    return texts


def votes(workspace: Workspace) -> list[verbs.Vote]:
    return verbs.ratings(workspace, verbs.RatingsRequest(dataset="workshop")).recent


def ballot(shown: AppTest) -> str:
    return next(str(button.key) for button in shown.button if str(button.key).endswith("_cast")).removesuffix("_cast")


def test_blind_until_the_vote(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    shown = jobs_app("archetypes", dataset="workshop", item="i1", view="rate")
    words = " ".join([*markdown(shown), *(element.value for element in [*shown.text, *shown.caption])])
    assert "demo-llama" not in words and "demo-qwen" not in words and "Segments" not in words
    order = letters(shown)
    assert list(order) == ["A", "B"]
    for _ in range(3):
        shown = check(shown.run())
        assert letters(shown) == order
    texts = {archetype.archetypes: archetype for archetype in verbs.item_detail(filled_copy, "workshop", "i1").archetypes}
    key = ballot(shown)
    sets = re.sub(r"^ballot_workshop_i1_", "", key).split("_")
    best = next(name for name in sets if texts[name].model == "demo-qwen")
    shown = check(shown.button_group(key=f"{key}_best").set_value(best).run())
    shown.text_input(key=f"{key}_reason").set_value("shorter <b>and</b> right")
    shown.text_input(key="studio_who").set_value("Ann")
    shown = check(shown.button(key=f"{key}_cast").click().run())
    (vote,) = votes(filled_copy)
    assert (vote.winner, vote.blind, vote.reason, vote.who) == (best, True, "shorter <b>and</b> right", "Ann")
    assert set(vote.sets) == set(texts)
    assert "demo-qwen" in shown.success[0].value.replace("\\", "") and not any(
        str(button.key).endswith("_cast") for button in shown.button
    )
    (table,) = [frame.value for frame in shown.dataframe]
    following = check(shown.button(key="rate_next").click().run())
    assert following.query_params["item"] in {"i0", "i2", "i3"} and ballot(following) != key
    qwen = table[(table["Model"] == "demo-qwen") & (table["Against"] == "all others")].iloc[0]
    assert (qwen["Votes"], qwen["Win rate"], qwen["95 % interval"]) == ("blind", 100, "21% … 100%")


def test_thumbs_with_names_shown(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    shown = jobs_app("archetypes", dataset="workshop", item="i1")
    key = ballot(shown)
    assert shown.button(key=f"{key}_cast").label == "Vote: no difference"
    sets = {archetype.model: archetype.archetypes for archetype in verbs.item_detail(filled_copy, "workshop", "i1").archetypes}
    shown = check(shown.feedback(key=f"{key}_{sets['demo-llama']}").set_value(rating.DOWN).run())
    shown = check(shown.feedback(key=f"{key}_{sets['demo-qwen']}").set_value(rating.UP).run())
    check(shown.button(key=f"{key}_cast").click().run())
    (vote,) = votes(filled_copy)
    assert (vote.up, vote.down, vote.winner, vote.blind) == ([sets["demo-qwen"]], [sets["demo-llama"]], None, False)


def test_nothing_chosen_is_a_tie(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    shown = jobs_app("archetypes", dataset="workshop", item="i1", view="rate")
    check(shown.button(key=f"{ballot(shown)}_cast").click().run())
    (vote,) = votes(filled_copy)
    assert (vote.winner, vote.up, vote.down) == (None, [], [])


def test_one_text_cannot_be_compared(app: OpenPage) -> None:
    shown = app("archetypes", dataset="workshop", item="i9", view="rate")
    assert "two language models" in shown.info[0].value


def test_items_are_drawn_until_all_have_a_vote(filled_copy: Workspace) -> None:
    models = ["demo-llama", "demo-qwen"]
    seen = set()
    while item := verbs.item_to_rate(filled_copy, "workshop", models):
        seen.add(item)
        sets = [archetype.archetypes for archetype in verbs.item_detail(filled_copy, "workshop", item).archetypes]
        verbs.rate(filled_copy, verbs.RateRequest(dataset="workshop", item=item, sets=sets))
    assert seen == {"i0", "i1", "i2", "i3"}  # those that both have written about


def test_versions_of_a_model_are_counted_together(filled_copy: Workspace) -> None:
    few = verbs.Sampling(max_new_tokens=4)
    request = verbs.RegenerateRequest(dataset="workshop", item="i1", model="demo-qwen", sampling=few)
    new = verbs.regenerate(filled_copy, request).archetypes
    texts = verbs.item_detail(filled_copy, "workshop", "i1").archetypes
    llama = next(text.archetypes for text in texts if text.model == "demo-llama")
    old = next(text.archetypes for text in texts if text.model == "demo-qwen" and text.archetypes != new)
    for winner in (old, new):
        verbs.rate(filled_copy, verbs.RateRequest(dataset="workshop", item="i1", sets=[llama, winner], winner=winner))
    rates = verbs.ratings(filled_copy, verbs.RatingsRequest(dataset="workshop", by="model")).rates
    assert {(rate.model, rate.wins) for rate in rates if rate.against is None} == {("demo-llama", 0), ("demo-qwen", 2)}
    by_set = verbs.ratings(filled_copy, verbs.RatingsRequest(dataset="workshop")).rates
    assert f"demo-qwen ({new})" in {column.model for column in by_set}


def test_the_order_depends_on_item_and_tab(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    state: dict[str, str] = {}
    monkeypatch.setattr(rating.st, "session_state", state)
    some = [columns.Column(name, [], fake(name)) for name in "abcd"]

    def order(item: str) -> list[str]:
        return [column.model for column in rating.shuffled("d", item, some)]

    assert order("x") == order("x") and sorted(order("x")) == list("abcd")
    assert len({tuple(order(f"i{n}")) for n in range(50)}) > 10
    assert [column.model for column in rating.shuffled("d", "x", some[::-1])] == order("x")
    seen = {tuple(order("x"))}
    for _ in range(20):
        state.clear()
        seen.add(tuple(order("x")))
    assert len(seen) > 5


def fake(name: str) -> verbs.ArchetypeText:
    return verbs.ArchetypeText.model_construct(archetypes=name, model=name)
