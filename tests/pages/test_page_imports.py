"""Pages and the UI kit stand on the verbs and nothing below them, and starting them imports no torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {"genair_engine", "genair_engine.verbs", "genair_engine.jobs", "genair_engine.errors", "genair_engine.workspace"}


def engine_imports(path: Path) -> set[str]:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module)
    return {name for name in imported if name.split(".")[0] in ("genair_engine", "torch", "sqlalchemy", "transformers")}


@pytest.mark.parametrize("path", sorted([*ROOT.glob("pages/*.py"), *ROOT.glob("app/**/*.py")]), ids=lambda path: path.name)
def test_only_verbs_and_errors(path):
    allowed = ALLOWED if path.name == "services.py" else ALLOWED - {"genair_engine.workspace"}
    allowed = {"genair_engine.api.mounted"} if path.name == "server.py" else allowed
    assert engine_imports(path) <= allowed
    assert "unsafe_allow_html" not in path.read_text(encoding="utf-8")


def test_the_app_starts_without_torch():
    code = "import sys, app.ui.server, app.ui.navigation; assert not {'torch', 'transformers'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
