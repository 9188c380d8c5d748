"""Pages run from the entry point, on an empty or on the filled workspace."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from genair_engine.settings import Settings
from genair_engine.workspace import Workspace
from tests.workspaces import FilledWorkspace

ENTRY = Path(__file__).resolve().parents[2] / "app" / "Home.py"
OpenPage = Callable[..., AppTest]


def _open(page: str, /, errors: bool = False, **query: str) -> AppTest:
    app = AppTest.from_file(str(ENTRY), default_timeout=60)
    app.switch_page(f"../pages/{page}.py")
    for name, value in query.items():
        app.query_params[name] = value
    return app.run() if errors else check(app.run())


def check(app: AppTest) -> AppTest:
    """The page ran through: neither a traceback nor an error message."""
    assert not app.exception, [element.value for element in app.exception]
    assert not app.error, [element.value for element in app.error]
    return app


def page_text(app: AppTest) -> str:
    """What the page says, a line a text, as a reader sees it."""
    texts = [*app.text, *app.caption, *app.markdown, *app.subheader, *app.warning, *app.error]
    return "\n".join(element.value for element in texts).replace("\\", "").replace("\u2060", "")


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """AppTest makes the page's script the process's `__main__`; processes that later tests spawn would run it again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture
def empty_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenPage]:
    """Opens a page on an empty workspace; `errors=True` where the page is to show one."""
    yield from on_workspace(tmp_path / "empty", monkeypatch)


@pytest.fixture
def app(filled_workspace: FilledWorkspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenPage]:
    """Opens a page on the filled workspace: `app("items", q="optics")`."""
    yield from on_workspace(filled_workspace.folder, monkeypatch)


@pytest.fixture
def filled_copy(filled_workspace: FilledWorkspace, tmp_path: Path) -> Iterator[Workspace]:
    """The filled workspace, for a test that writes."""
    shutil.copytree(filled_workspace.folder, tmp_path / "copy")
    opened = Workspace.open(Settings(workspace=tmp_path / "copy", database_url=None))
    yield opened
    opened.close()


@pytest.fixture
def jobs_app(filled_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenPage]:
    """Opens a page on that copy."""
    yield from on_workspace(filled_copy.folder, monkeypatch)


def on_workspace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenPage]:
    monkeypatch.setenv("GENAIR_WORKSPACE", str(folder))
    monkeypatch.delenv("GENAIR_DATABASE_URL", raising=False)
    monkeypatch.setenv("GENAIR_DEMO_ITEMS", "0")
    monkeypatch.setenv("GENAIR_WORKER", "none")  # what a page queues stays queued, and no process stays behind
    st.cache_resource.clear()
    yield _open
    st.cache_resource.clear()
