"""A copy of the repository to which something is added as CONTRIBUTING says: one file and one line.

A section of CONTRIBUTING.md under `### A page` (or another heading) has two code blocks. The first is a file, under a comment
with its path. The second is a line, under a comment with the file and the list that it goes into:

    # app/ui/navigation.py, in PAGES
    Page("../pages/hello.py", "Hello", "waving_hand", "How large each data set is."),
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("app", "docs", "genair_engine", "pages", "sql", "tests", "CONTRIBUTING.md", "README.md", "pyproject.toml")
LINKED = ("models_cache",)
SECTION = re.compile(r"^### (.+?)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```python\n# (\S+?)(?:, in (\w+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Addition:
    """What a section adds: a file (its path and text), and a line at the end of a collection in another."""

    path: str
    text: str
    registry: str
    name: str
    line: str


def addition(heading: str) -> Addition:
    """The file and the line of CONTRIBUTING's section `### heading`."""
    sections = dict(SECTION.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    blocks = BLOCK.findall(sections[heading])
    [(path, text)] = [(path, text) for path, name, text in blocks if not name]
    [(registry, name, line)] = [block for block in blocks if block[1]]
    assert line.count("\n") == 1, f"{heading}: more than one line for {registry}"
    return Addition(path, text, registry, name, line.strip())


def copy_with(added: Addition, folder: Path) -> Path:
    """A copy of the repository in `folder`, with the file and the line. The file must be new."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, folder / name)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    target = folder / added.path
    assert not target.exists(), f"{added.path} is there already"
    target.write_text(added.text, encoding="utf-8")
    registry = folder / added.registry
    registry.write_text(with_entry(registry.read_text(encoding="utf-8"), added.name, added.line), encoding="utf-8")
    return folder


def with_entry(source: str, name: str, line: str) -> str:
    """The module's source with one more entry at the end of the collection that it assigns to `name`."""
    [value] = [
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0]) == name
    ]
    assert isinstance(value, ast.Tuple | ast.List | ast.Set | ast.Dict), f"{name} is no collection"
    lines = source.splitlines(keepends=True)
    last, column = value.end_lineno - 1, value.end_col_offset - 1  # the closing bracket
    before = "".join(lines[:last]) + lines[last].encode()[:column].decode()
    after = lines[last].encode()[column:].decode() + "".join(lines[last + 1 :])
    comma = "" if before.rstrip()[-1] in ",([{" else ","
    return f"{before.rstrip()}{comma}\n    {line}\n{after}"


def run_in(copy: Path, *arguments: str, **environment: str) -> str:
    """What a Python process in the copy prints: `run_in(copy, "-m", "genair_engine", "datasets")`. It must succeed."""
    variables = {"PYTHONPATH": str(copy), "GENAIR_WORKSPACE": str(copy / "workspace"), "GENAIR_WORKER": "none"}
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=os.environ | variables | {"GENAIR_DEMO_ITEMS": "0"} | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
