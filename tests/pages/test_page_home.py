"""Home, and what every page does without data."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from streamlit.testing.v1 import AppTest

from genair_engine.store.metrics import load_metrics, save_metrics
from genair_engine.store.tables import RunRow
from genair_engine.workspace import Workspace
from tests.pages.conftest import ENTRY, OpenPage
from tests.workspaces import FilledWorkspace


@pytest.mark.parametrize("page", ["home", "items", "recommend", "archetypes"])
def test_an_empty_workspace_says_what_to_do(empty_app: OpenPage, page: str) -> None:
    shown = empty_app(page)
    assert "No catalogue yet" in [element.value for element in shown.subheader]
    assert shown.code[0].value == ".venv/bin/python -m genair_engine import PATH --name NAME"


def test_home_is_the_first_page(empty_app: OpenPage) -> None:
    assert AppTest.from_file(str(ENTRY), default_timeout=60).run().title[0].value == "GenAIR Studio"


def test_the_strip_tells_how_far_each_dataset_is(app: OpenPage) -> None:
    shown = app("home")
    captions = "\n".join(element.value for element in shown.caption).replace("\\", "").replace("\u2060", "")
    assert "18 items" in captions and "demo-llama: 18 of 18" in captions and "demo-qwen: 4 of 18" in captions
    assert "2 finished" in captions and "best test NDCG@10 among all items 0." in captions
    assert ": sasrec with genair, seed 42" in captions
    commands = [element.value for element in shown.code]
    assert len(commands) == 1 and "generate untouched --model demo-llama --limit 64" in commands[0]


def test_a_draw_costs_the_same_however_many_runs_there_are(
    jobs_app: OpenPage, filled_copy: Workspace, filled_workspace: FilledWorkspace
) -> None:
    def queries() -> list[str]:
        statements: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            statements.extend([statement] if statement.startswith("SELECT") else [])

        jobs_app("home")  # opens the workspace
        event.listen(Engine, "before_cursor_execute", note)
        try:
            jobs_app("home")
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        return statements

    before = queries()
    with filled_copy.session() as session:
        template = session.get_one(RunRow, filled_workspace.run)
        columns = {column.key: getattr(template, column.key) for column in RunRow.__mapper__.column_attrs}
        metrics = load_metrics(session, [template.id])[template.id]
        for number in range(30):
            session.add(RunRow(**columns | {"id": f"copied-run-{number}"}))
            session.flush()
            save_metrics(session, f"copied-run-{number}", metrics)
    assert queries() == before and 0 < len(before) <= 20
    assert not any("runs.config" in query for query in before)


def test_a_workspace_that_cannot_be_opened_is_told_and_not_a_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    empty_app: OpenPage,
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("GENAIR_WORKSPACE", str(tmp_path / "file"))
    shown = AppTest.from_file(str(ENTRY), default_timeout=60).run()
    assert not shown.exception
    assert "GENAIR\\_WORKSPACE" in shown.error[0].value
