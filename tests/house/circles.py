"""No two files import each other, not even round three corners or inside of functions: `make lint` runs this.

Imports for type checkers alone (`if TYPE_CHECKING:`) do not count; a package is not imported by who imports a part of it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("genair_engine", "app", "pages")


def modules(root: Path, packages: tuple[str, ...] = PACKAGES) -> dict[str, Path]:
    """{dotted name: file} of every module below these folders."""
    files = [path for package in packages for path in sorted((root / package).rglob("*.py"))]
    names = {path: ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in files}
    return {name: path for path, name in names.items()}


def imports(source: str) -> Iterator[str]:
    """The dotted names that a module imports, wherever it does: of `from a import b` both `a` and `a.b`."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def graph(root: Path, packages: tuple[str, ...] = PACKAGES) -> dict[str, set[str]]:
    """{module: modules that it imports}."""
    files = modules(root, packages)
    edges: dict[str, set[str]] = {}
    for module, path in files.items():
        names = imports(path.read_text(encoding="utf-8"))
        wanted = {name if name in files else name.rpartition(".")[0] for name in names}
        edges[module] = {name for name in wanted if name in files and name != module}
    return edges


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach each other, each sorted."""
    reached = {module: _reached(edges, module) for module in edges}
    groups = {tuple(sorted(other for other in seen if module in reached[other])) for module, seen in reached.items()}
    return [list(group) for group in sorted(groups) if group]


def _reached(edges: dict[str, set[str]], start: str) -> set[str]:
    """What a module imports, directly or not; itself only where a circle leads back to it."""
    seen: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += edges[module]
    return seen


def main() -> int:
    groups = circles(graph(ROOT))
    for group in groups:
        print(f"These files import each other: {', '.join(group)}", file=sys.stderr)
    return 1 if groups else 0


if __name__ == "__main__":
    sys.exit(main())
