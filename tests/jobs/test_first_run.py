"""The demo that a fresh workspace gets by itself: once, and only where nothing is."""

from __future__ import annotations

import pytest

from genair_engine import jobs, verbs
from genair_engine.jobs import queue_demo
from genair_engine.settings import REPOSITORY, Settings
from genair_engine.workspace import Workspace


def queued(workspace):
    return [(job.kind, job.dataset, job.config) for job in jobs.jobs(workspace, jobs.JobsRequest()).jobs]


@pytest.fixture
def fresh(settings):
    def make(**changes):
        return Workspace.open(settings.model_copy(update={"models_dir": REPOSITORY / "models_cache"} | changes))

    return make


def test_the_demo_is_queued_once_by_whoever_comes_first(fresh):
    first, other = fresh(), fresh(demo_items=30)
    queue_demo(first)
    queue_demo(other)
    queue_demo(first)
    assert queued(first) == [("demo", verbs.DEMO, {})]


def test_its_size_is_a_setting_and_0_is_none(fresh):
    queue_demo(fresh(demo_items=0))
    assert queued(fresh()) == []
    queue_demo(fresh(demo_items=30))
    assert queued(fresh()) == [("demo", verbs.DEMO, {"items": 30})]


def test_it_does_not_come_back_by_itself(fresh):
    workspace = fresh()
    queue_demo(workspace)
    jobs.cancel(workspace, jobs.jobs(workspace, jobs.JobsRequest()).jobs[0].job)
    queue_demo(workspace)
    assert [job.state for job in jobs.jobs(workspace, jobs.JobsRequest()).jobs] == ["cancelled"]


def test_data_of_one_s_own_is_left_alone(shop):
    queue_demo(shop)
    assert queued(shop) == []


def test_without_the_demo_models_nothing_is_queued(fresh, tmp_path):
    queue_demo(fresh(models_dir=tmp_path))
    assert queued(fresh()) == []


def test_it_is_on_by_default():
    assert Settings.model_fields["demo_items"].default == verbs.DemoRequest().items == 1000
