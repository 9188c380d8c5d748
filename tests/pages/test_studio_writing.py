"""The studio writes: one item anew with its history, a template's next version, and the whole catalogue as a job."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.ui import services
from app.ui.studio import exports
from genair_engine import jobs, verbs
from genair_engine.archetypes.loading import load_language_model
from genair_engine.archetypes.model_folders import find_model
from genair_engine.archetypes.transformers_backend import TransformersModel
from genair_engine.errors import ModelError
from genair_engine.store.tables import TextSetRow
from genair_engine.workspace import Workspace
from tests.openai_server import KEY, OpenAIServer, answer, says
from tests.pages.conftest import OpenPage, check

MODELS = Path(__file__).resolve().parents[2] / "models_cache"
FORM = "write_compare_demo-qwen"


def texts(workspace: Workspace, item: str = "i1", model: str = "demo-qwen") -> list[verbs.ArchetypeText]:
    return [archetype for archetype in verbs.item_detail(workspace, "workshop", item).archetypes if archetype.model == model]


def values(shown: AppTest, kind: str) -> list[str]:
    return [element.value.replace("\\", "") for element in shown.get(kind)]


def short(shown: AppTest, tokens: int = 12) -> AppTest:
    return check(shown.number_input(key=f"{FORM}_sampling_max_new_tokens").set_value(tokens).run())


def test_regenerating_keeps_the_old_version_and_shows_what_changed(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    (old,) = texts(filled_copy)
    shown = short(jobs_app("archetypes", dataset="workshop", item="i1"))
    shown = check(shown.button(key=f"{FORM}_start").click().run())
    assert texts(filled_copy)[0].text == old.text
    new = texts(filled_copy)[1]
    assert (new.generated_tokens, new.seed, new.sampling["greedy"]) == (12, 42, False)
    assert shown.query_params["versions"] == new.archetypes
    assert any("A new version by demo-qwen: 12 tokens" in toast for toast in values(shown, "toast"))
    (version,) = [box for box in shown.selectbox if box.label == "Version (2 kept)"]
    assert version.value == new.archetypes
    assert any("-background[" in value and "~~" in value for value in values(shown, "markdown"))

    shown = check(version.select(old.archetypes).run())
    assert shown.query_params["versions"] == old.archetypes
    shown = check(shown.button(key=f"{FORM}_start").click().run())
    assert [text.seed for text in texts(filled_copy)] == [42, 42, 43]


@pytest.fixture
def server(filled_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server of language models, set for the app and for this process."""
    with OpenAIServer(load_language_model(find_model("demo-llama", MODELS), "cpu"), "org/llama") as server:
        monkeypatch.setenv("GENAIR_OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("GENAIR_OPENAI_API_KEY", KEY)
        yield server


def test_a_servers_column_is_written_anew_with_its_reader(
    filled_copy: Workspace, server: OpenAIServer, jobs_app: OpenPage
) -> None:
    model = "openai:org/llama"
    server.always["item"] = says(answer("Those who *measure*."))
    settings = filled_copy.settings.model_copy(update={"openai_base_url": server.url, "openai_api_key": KEY})
    with closing(Workspace.open(settings)) as opened:
        request = verbs.RegenerateRequest(
            dataset="workshop", item="i1", model=model, reader="demo-qwen", sampling=verbs.Sampling(greedy=True), device="cpu"
        )
        verbs.regenerate(opened, request)
    shown = jobs_app("archetypes", dataset="workshop", item="i1", models=f"{model},{model}")
    assert shown.multiselect(key="studio_models_workshop").value == [model]
    shown = check(shown.button(key=f"write_compare_{model}_start").click().run())
    assert any("org/llama: 0 tokens" in toast for toast in values(shown, "toast"))
    old, new = texts(filled_copy, model=model)
    assert (old.sampling["reader"], new.sampling["reader"]) == ("demo-qwen", "demo-qwen") and not new.sampling["greedy"]


def test_what_read_a_text_is_no_markdown(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    request = verbs.EmbedRequest(dataset="workshop", model="demo-qwen", text={"i1": "Those who dig."}, device="cpu")
    embedded = verbs.embed(filled_copy, request).archetypes
    with filled_copy.session() as session:
        row = session.get(TextSetRow, embedded)
        assert row is not None
        row.sampling = row.sampling | {"reader": "*my* model"}
    shown = jobs_app("archetypes", dataset="workshop", item="i1")
    assert any(r"read by \*my\* model" in element.value for element in shown.caption)


def test_a_model_that_fails_says_so_and_nothing_is_kept(
    filled_copy: Workspace, jobs_app: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        yield "For <b>"
        raise ModelError("NaN in the states of item 'i1'")

    monkeypatch.setattr(TransformersModel, "stream", broken)
    shown = jobs_app("archetypes", dataset="workshop", item="i1")
    shown = shown.button(key=f"{FORM}_start").click().run()
    assert ["NaN in the states" in element.value for element in shown.error] == [True]
    assert len(texts(filled_copy)) == 1 and not shown.exception
    assert "versions" not in shown.query_params


def test_an_item_without_a_text_is_written_at_once(
    filled_copy: Workspace, jobs_app: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ui.studio.writing.verbs.regenerating", shortened(verbs.regenerating))
    shown = jobs_app("archetypes", dataset="untouched", item="i1")
    shown = check(shown.button(key="write_now_demo-llama").click().run())
    (written,) = verbs.item_detail(filled_copy, "untouched", "i1").archetypes
    assert written.model == "demo-llama" and "**demo-llama**" in values(shown, "markdown")


def shortened(regenerating: Any) -> Any:
    few = verbs.Sampling(max_new_tokens=5)
    return lambda workspace, request, model: regenerating(workspace, request.model_copy(update={"sampling": few}), model)


def test_a_template_is_edited_beside_its_prompt_and_saved(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    shown = jobs_app("archetypes", dataset="workshop", item="i1", view="prompt")
    paper = verbs.list_prompts(filled_copy, verbs.PromptsRequest()).prompts[0].version
    assert shown.button(key="prompt_save").disabled
    field = f"prompt_{paper}_question"
    shown = check(shown.text_area(key=field).set_value("Who wants this {noun}? <b>Say</b>").run())
    assert any(text.endswith("Who wants this item? <b>Say</b>") for text in values(shown, "text"))
    shown = shown.text_area(key=field).set_value("Who wants {this}?").run()
    assert "{this}" in values(shown, "error")[0] and shown.button(key="prompt_save").disabled
    shown = check(shown.text_area(key=field).set_value("Who wants this {noun}?").run())
    shown = check(shown.button(key="prompt_save").click().run())
    assert "cannot name a prompt" in values(shown, "toast")[0]
    shown.text_input(key=f"prompt_name_{paper}").set_value("short")
    shown = check(shown.button(key="prompt_save").click().run())
    saved = verbs.list_prompts(filled_copy, verbs.PromptsRequest()).prompts[1]
    assert (saved.name, saved.question) == ("short", "Who wants this {noun}?")
    assert shown.query_params["prompt"] == saved.version and shown.selectbox(key="prompt_choice").value == saved.version

    shown = jobs_app("archetypes", dataset="workshop", item="i1")
    check(shown.selectbox(key=f"{FORM}_prompt").select(saved.version).run())
    shown = short(shown, 4)
    check(shown.button(key=f"{FORM}_start").click().run())
    assert texts(filled_copy)[1].prompt_version == saved.version
    assert texts(filled_copy)[1].prompt["question"] == "Who wants this {noun}?"


def test_the_whole_catalogue_is_a_job_with_an_estimate(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    shown = jobs_app("archetypes", dataset="workshop", view="catalogue")
    notice = values(shown, "info")[0]
    assert "18 items to write" in notice and "no pace is known yet" in notice
    key = "catalogue_workshop_sampling"
    shown = check(shown.number_input(key=f"{key}_max_new_tokens").set_value(40).run())
    assert (
        "From 18 texts that it has written" in values(shown, "info")[0] and "tokens each, so about" in values(shown, "info")[0]
    )
    shown = check(shown.button(key="generate_all").click().run())
    (job,) = jobs.jobs(filled_copy, jobs.JobsRequest(states=["queued"])).jobs
    assert job.kind == "generate" and job.config["sampling"]["max_new_tokens"] == 40
    assert any("Write archetypes of workshop with demo-llama" in value for value in values(shown, "text"))
    shown = check(shown.toggle(key=f"{key}_greedy").set_value(True).run())
    assert "Every item that is asked for has a text" in values(shown, "success")[0]


def queued(workspace: Workspace) -> dict[str, Any]:
    (job,) = jobs.jobs(workspace, jobs.JobsRequest(states=["queued"])).jobs
    return job.config


def test_a_preset_is_offered_and_downloaded_by_the_job(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    shown = jobs_app("archetypes", dataset="workshop", view="catalogue")
    picker = shown.selectbox(key="catalogue_workshop_model")
    assert "demo-llama" in picker.options and "qwen2.5-0.5b-instruct · 1.0 GB to download" in picker.options
    assert "llama2-7b-chat · 13.5 GB, gated" in picker.options
    assert not any("server" in option for option in picker.options)  # none is set
    shown = check(picker.select("llama2-7b-chat").run())
    assert any(
        "the job downloads it first, about 13.5 GB" in value and "HF_TOKEN" in value for value in values(shown, "caption")
    )
    shown = check(shown.selectbox(key="catalogue_workshop_model").select("qwen2.5-0.5b-instruct").run())
    assert not any("HF_TOKEN" in value for value in values(shown, "caption"))
    assert "18 items to write" in values(shown, "info")[0] and "no pace is known yet" in values(shown, "info")[0]
    check(shown.button(key="generate_all").click().run())
    config = queued(filled_copy)
    assert (config["model"], config["reader"]) == ("qwen2.5-0.5b-instruct", None)


def test_a_servers_model_is_named_with_its_reader(
    filled_copy: Workspace, jobs_app: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENAIR_OPENAI_BASE_URL", "http://ann:secret@127.0.0.1:1/v1")  # nothing is asked for
    shown = jobs_app("archetypes", dataset="workshop", view="catalogue")
    picker = shown.selectbox(key="catalogue_workshop_model")
    assert "a model of the server 127.0.0.1:1" in picker.options
    shown = check(picker.select("openai:").run())
    assert "Name the server's model to go on." in values(shown, "info")
    assert not any(button.key == "generate_all" for button in shown.button)
    shown = check(shown.text_input(key="catalogue_workshop_server").set_value(" org/demo-llama ").run())
    notice = values(shown, "info")[0]  # the pace of demo-llama on this machine is not that of the server's
    assert "18 items to write" in notice and "no pace is known yet" in notice
    shown = check(shown.selectbox(key="catalogue_workshop_reader").select("demo-qwen").run())
    shown = check(shown.button(key="generate_all").click().run())
    config = queued(filled_copy)
    assert (config["model"], config["reader"]) == ("openai:org/demo-llama", "demo-qwen")
    assert any("--reader demo-qwen" in element.value for element in shown.code)
    shown = check(shown.selectbox(key="catalogue_workshop_model").select("demo-qwen").run())
    assert not any("--reader" in element.value for element in shown.code)


def test_scorecards_of_models(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    shown = jobs_app("archetypes", dataset="workshop", view="catalogue")
    check(shown.button(key="measure").click().run())
    (job,) = jobs.jobs(filled_copy, jobs.JobsRequest(states=["queued"])).jobs
    assert job.kind == "score" and len(job.config["archetypes"]) == 2
    verbs.score(filled_copy, verbs.ScoreRequest(dataset="workshop"))
    shown = jobs_app("archetypes", dataset="workshop", view="catalogue")
    (table,) = [frame.value for frame in shown.dataframe if "Grounding" in frame.value]
    assert table["Model"].tolist() == ["demo-llama", "demo-qwen"] and "…" in table["Segments"][0]
    assert not any(button.key == "measure" for button in shown.button)


def test_what_if_an_archetype_were_another(filled_copy: Workspace, jobs_app: OpenPage) -> None:
    shown = jobs_app("archetypes", dataset="workshop", item="i1", view="what-if")
    assert not shown.metric
    own = texts(filled_copy, model="demo-llama")[0]
    shown.text_area(key=f"edited_i1_{own.archetypes}").set_value("1. Nobody <i>at all</i>: they have 999 of them.")
    shown = check(shown.button(key="what_if_ask").click().run())
    assert [metric.label for metric in shown.metric] == ["Sessions with another top 7", "It enters", "It leaves"]
    assert any("Cosine of its vector before and after: " in value for value in values(shown, "caption"))
    assert any("999" in value and "metadata" in value for value in values(shown, "caption"))
    assert any(
        ":green-background[**Nobody <i>at all</i>:" in value.replace("\u2060", "") for value in values(shown, "markdown")
    )
    shown = check(shown.run())
    assert len(shown.metric) == 3
    shown = check(shown.text_area(key=f"edited_i1_{own.archetypes}").set_value(own.text).run())
    assert not shown.metric  # they were of another text
    asked = check(shown.button(key="what_if_ask").click().run())
    assert asked.metric[0].value == "0"


def test_without_a_run_that_reads_archetypes_it_says_what_is_missing(app: OpenPage) -> None:
    shown = app("archetypes", dataset="untouched", item="i1", view="what-if")
    assert any("No archetype for this item yet" in value for value in values(shown, "markdown"))


def test_the_exports_hold_every_version(filled_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "workspace", lambda: filled_copy)
    detail = verbs.item_detail(filled_copy, "workshop", "i1")
    request = verbs.RateRequest(
        dataset="workshop", item="i1", sets=[archetype.archetypes for archetype in detail.archetypes], reason="both, “fine”"
    )
    verbs.rate(filled_copy, request)
    scores = {item_score.archetypes: item_score for item_score in verbs.item_scores(filled_copy, "workshop", "i1")}
    kept = json.loads(exports.as_json("workshop", detail, scores))
    assert [text["text"] for text in kept["archetypes"]] == [archetype.text for archetype in detail.archetypes]
    assert kept["archetypes"][0]["prompt"]["attribute"] == "The {noun} {key} is {value}."
    assert kept["archetypes"][0]["scorecard"]["text"]["segments"] >= 0
    assert kept["votes"][0]["reason"] == "both, “fine”" and kept["item"]["item"] == "i1"
    table = pd.read_csv(io.BytesIO(exports.as_csv(detail, scores)))
    assert table["text"].tolist() == [archetype.text for archetype in detail.archetypes]
    assert set(table["seed"]) == {42} and table["greedy"].all() and "grounding" in table


def test_both_files_are_offered(app: OpenPage) -> None:
    shown = app("archetypes", dataset="workshop", item="i1")
    assert [button.label for button in shown.get("download_button")] == ["Export JSON", "Export CSV"]
