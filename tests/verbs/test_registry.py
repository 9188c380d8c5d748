"""One registry: whoever runs a verb, it is the declared function, and every hook sees the call."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import genair_engine
from docs import generate
from genair_engine import jobs, verbs
from genair_engine.api.routes import api_routes
from genair_engine.cli import main
from genair_engine.errors import InputError
from genair_engine.verbs import registry
from tests.verbs.made_up import GREET, GreetRequest

PACKAGE = Path(genair_engine.__file__).parent


@pytest.fixture
def calls(monkeypatch):
    """(verb, role, actor, how it ended) of every call."""
    ended = []

    @contextmanager
    def keep(call):
        try:
            yield
        except Exception as error:
            ended.append((call.verb.name, call.verb.role, call.actor, str(error)))
            raise
        ended.append((call.verb.name, call.verb.role, call.actor, "done"))

    monkeypatch.setattr(registry, "HOOKS", [keep])
    return ended


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setattr(registry, "PLACES", [*registry.PLACES, "tests.verbs.made_up:GREET"])


@pytest.mark.parametrize("verb", registry.all_verbs().values(), ids=lambda verb: verb.name)
def test_a_verb_is_the_function_that_it_declares(verb):
    function = registry.resolve(verb.run)
    module, hints = sys.modules[function.__module__], function.__annotations__
    names = list(inspect.signature(function).parameters)
    assert names[:3] == ["workspace" if verb.needs_workspace else "settings", "request", "progress"]
    assert getattr(module, hints["request"]) is verb.request
    assert verb.result in {getattr(module, name) for name in hints["return"].split(" | ")}
    if verb.job:
        assert callable(registry.resolve(verb.job.check))
        assert verb.job.earlier is None or callable(registry.resolve(verb.job.earlier))
    assert verb.role != "read" or not verb.audited or verb.name == "export"


def test_names_are_used_once_and_hide_no_module():
    assert len(registry.all_verbs()) == len(registry.PLACES)
    for package in (verbs, jobs):
        parts = {path.stem for path in Path(package.__file__).parent.iterdir()}
        assert not parts & set(package.__all__)
        for name in package.__all__:
            getattr(package, name)


def test_hooks_surround_every_call_and_see_its_error(imported, calls):
    registry.call(imported, "datasets", verbs.DatasetsRequest())
    verbs.list_datasets(imported, verbs.DatasetsRequest())
    registry.call(imported, "datasets", verbs.DatasetsRequest(), actor="ada")
    with pytest.raises(Exception, match="no dataset 'shoe'"):
        verbs.report(imported, verbs.ReportRequest(dataset="shoe"))
    assert calls[:2] == [("datasets", "read", None, "done")] * 2
    assert calls[2] == ("datasets", "read", "ada", "done")
    assert calls[3][:3] == ("report", "read", None) and "shoe" in calls[3][3]


def test_a_hook_can_refuse(imported, monkeypatch):
    @contextmanager
    def only_readers(call):
        if call.verb.role != "read":
            raise InputError(f"{call.actor or 'nobody'} may not {call.verb.name}")
        yield

    monkeypatch.setattr(registry, "HOOKS", [only_readers])
    assert verbs.list_datasets(imported, verbs.DatasetsRequest()).datasets
    with pytest.raises(InputError, match="nobody may not delete"):
        verbs.delete_dataset(imported, verbs.DeleteRequest(dataset="shop"))
    assert [row.name for row in imported.dataset_rows()] == ["shop"]


def test_a_request_of_another_verb_is_refused(imported):
    with pytest.raises(InputError, match="'datasets' takes a DatasetsRequest, not a ReportRequest"):
        registry.call(imported, "datasets", verbs.ReportRequest(dataset="shop"))
    with pytest.raises(InputError, match="no verb 'dance'"):
        registry.find("dance")


def test_a_made_up_verb_is_seen_by_terminal_api_jobs_and_documents(imported, settings, made_up, calls, capsys, monkeypatch):
    monkeypatch.setenv("GENAIR_ACTOR", "ada")
    assert main(["greet", "Bob", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out) == {"greeting": "Hello Bob", "by": "ada"}
    with TestClient(Starlette(routes=api_routes(lambda: verbs.Recommenders(imported)))) as client:
        assert client.get("/api/greet", params={"name": "Bob"}).json() == {"greeting": "Hello Bob", "by": None}
        assert "/api/greet" in client.get("/api/openapi.json").json()["paths"]
    assert calls == [("greet", "admin", "ada", "done"), ("greet", "admin", None, "done")]
    job = jobs.submit(imported, "greet", GreetRequest(name="Bob"))
    assert (job.title, jobs.command_line("greet", GreetRequest(name="Bob"))) == ("Greet Bob", "greet Bob")
    assert "`genair greet NAME`" in generate.options_page() and "| `greeting` | text |" in generate.keys_page()
    assert registry.function(GREET).__name__ == "greet"


def test_who_acts_is_the_workspaces_unless_it_is_said(imported, settings):
    ada = imported.acting_as("ada")
    assert (ada.actor, imported.actor, settings.acting_as("ada").actor) == ("ada", None, "ada")
    assert ada.dataset_rows()[0].name == "shop"


def test_importing_the_package_loads_nothing_and_the_verbs_only_what_is_asked_for():
    heavy = "{'torch', 'transformers', 'pandas', 'scipy', 'sqlalchemy'}"
    for code in ("import genair_engine.verbs, genair_engine.jobs", "from genair_engine.verbs import TrainRequest"):
        loaded = f"import sys; {code}; assert not {heavy} & sys.modules.keys(), {heavy} & sys.modules.keys()"
        subprocess.run([sys.executable, "-c", loaded], cwd=PACKAGE.parent, check=True, timeout=120)
