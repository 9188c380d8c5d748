"""Runs without training on the pages: recommended with beside trained ones, explained, listed, and with no item vectors."""

from __future__ import annotations

from genair_engine import jobs, verbs
from genair_engine.workspace import Workspace
from tests.pages.conftest import OpenPage, check
from tests.workspaces import FilledWorkspace


def floor(workspace: Workspace) -> str:
    request = verbs.TrainRequest(dataset="workshop", method="transition-knn", device="cpu")
    return verbs.train(workspace, request).run


def test_a_floor_is_recommended_with_and_explained(
    jobs_app: OpenPage, filled_copy: Workspace, filled_workspace: FilledWorkspace
) -> None:
    run = floor(filled_copy)
    shown = jobs_app("recommend", dataset="workshop", session="i1,i2", run=f"{run},{filled_workspace.run}")
    heads = [element.value for element in shown.markdown if element.value.startswith(("**transition", "**sasrec"))]
    assert heads[-2].startswith("**transition") and heads[-1] == "**sasrec · genair**"
    assert any("Not trained: transition" in element.value for element in shown.caption)
    assert sum(element.value.startswith("score") for element in shown.caption) == 20
    assert any("diversity –" in element.value for element in shown.markdown)  # it has no item vectors


def test_a_floor_is_listed_where_runs_are_and_not_where_item_vectors_are(jobs_app: OpenPage, filled_copy: Workspace) -> None:
    run = floor(filled_copy)
    shown = jobs_app("training", dataset="workshop")
    assert any("transition-knn" in str(element.value) for element in [*shown.markdown, *shown.text, *shown.caption])
    assert run not in {space.space for space in verbs.spaces(filled_copy, "workshop")}
    check(jobs_app("embeddings", dataset="workshop"))
    check(jobs_app("home"))


def test_the_form_of_training_shows_its_options_and_nothing_of_epochs(jobs_app: OpenPage) -> None:
    shown = jobs_app("training", dataset="workshop")
    shown = check(shown.selectbox(key="train_method").set_value("transition-knn").run())
    labels = {element.label.partition(" [")[0] for element in shown.number_input}
    assert {"Window", "Backward", "Shrinkage", "Decay"} <= labels and not labels & {"Epochs", "Batch size"}


def test_runs_that_a_method_reads_are_chosen_in_the_form(
    jobs_app: OpenPage, filled_copy: Workspace, filled_workspace: FilledWorkspace
) -> None:
    run = floor(filled_copy)
    shown = jobs_app("training", dataset="workshop")
    shown = check(shown.selectbox(key="train_method").set_value("reranked").run())
    assert shown.button(key="train_launch").disabled
    shown = check(shown.selectbox(key="train_input_candidates").set_value(run).run())
    shown = check(shown.selectbox(key="train_input_ranker").set_value(filled_workspace.run).run())
    refused = [element.value for element in shown.markdown if ":red[" in element.value]
    assert not refused
    check(shown.button(key="train_launch").click().run())
    (job,) = jobs.jobs(filled_copy, jobs.JobsRequest(kinds=["train"])).jobs
    assert job.config["method"] == "reranked"
    assert job.config["inputs"] == {"candidates": run, "ranker": filled_workspace.run}
