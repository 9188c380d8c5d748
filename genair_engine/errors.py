"""Every error that the engine raises for a person to read, as one tree.

GenairError
├── InputError            a file, a line, a field or an argument is wrong
│   └── NotFoundError     a name (dataset, run, item, …) does not exist; suggests near matches
├── ModelError            a language model or encoder is missing or unusable
├── NonFiniteError        NaN or infinity where numbers must be finite; names the first culprit
└── WorkspaceError        the database or the artifact folder cannot be used
    └── OutageError       the database is away or busy: it may work in a moment

A message says what was wrong, where (file and line, or field), and what to do. The CLI prints it and exits with 1; a page
shows it; anything that is not a GenairError is a defect and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GenairError(Exception):
    """Base of all errors that are meant to be read by the user."""


class InputError(GenairError):
    """Something the user gave is wrong: a file, a line of it, a field, an argument."""


class NotFoundError(InputError):
    """A name that does not exist in the workspace.

    kind: what was looked for, e.g. "dataset". name: what was asked. known: the names that exist, for the suggestion.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str] = (), hint: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        parts = [f"There is no {kind} {name!r}."]
        if near:
            parts.append(f"Did you mean {', '.join(near)}?")
        elif names:
            shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            parts.append(f"Known: {shown}.")
        if hint:
            parts.append(hint)
        super().__init__(" ".join(parts))


class ModelError(GenairError):
    """A language model or encoder cannot be found, loaded or used."""


class NonFiniteError(GenairError):
    """Numbers that must be finite are NaN or infinite."""


class WorkspaceError(GenairError):
    """The workspace's database or artifact folder cannot be opened, read or written."""


class OutageError(WorkspaceError):
    """The database, or the server of a workspace's URL, is away, restarting, or busy for too long: try again in a moment."""
