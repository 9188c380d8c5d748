"""Packages whose names are imported when they are asked for, so that importing the package costs nothing.

The names and where they stand are the imports in the package's own `if TYPE_CHECKING:` block, which type checkers and editors
read as they are: every name stands once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def places(file: str) -> dict[str, str]:
    """{name: module} of the imports in the `if TYPE_CHECKING:` block of a package's `__init__.py`."""
    source = ast.parse(Path(file).read_text(encoding="utf-8"))
    blocks = [node.body for node in source.body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: str(node.module) for node in imports for alias in node.names}


def getter(namespace: dict[str, Any], load: Callable[[str, str], Any] | None = None) -> Callable[[str], Any]:
    """The `__getattr__` of a package. namespace: its `globals()`. load: gets a name's value from (module, name)."""
    known = places(namespace["__file__"])

    def __getattr__(name: str) -> Any:
        if name not in known:
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")
        value = load(known[name], name) if load else getattr(import_module(known[name]), name)
        namespace[name] = value
        return value

    namespace["__all__"] = sorted(known)
    return __getattr__
