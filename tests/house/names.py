"""Names that say nothing are not used for variables, arguments, functions or fields: `make lint` runs this."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("app", "benchmarks", "genair_engine", "pages", "sql", "tests")
SAY_NOTHING = {"found", "one", "made", "said", "thing", "things", "stuff"}
ALLOWED = {("genair_engine/verbs/system/requests.py", "found")}
"""A key of `doctor --json`, which programs read."""


def names_of(source: str) -> list[tuple[int, str]]:
    """(line, name) of every use of a name that says nothing."""
    uses = []
    for node in ast.walk(ast.parse(source)):
        names = {ast.Name: "id", ast.arg: "arg", ast.FunctionDef: "name", ast.Attribute: "attr"}
        name = getattr(node, names.get(type(node), ""), None)
        stored = not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Store)
        if name in SAY_NOTHING and stored:
            uses.append((node.lineno, name))
    return uses


def main() -> int:
    problems = []
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        for line, name in names_of(path.read_text(encoding="utf-8")):
            if (file, name) not in ALLOWED:
                problems.append(f"{file}:{line}: the name {name!r} does not say what it holds")
    print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
