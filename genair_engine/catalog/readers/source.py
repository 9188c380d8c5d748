"""A data set's files as readers see them: tables of text, what each holds, and what each of its columns is taken for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from genair_engine.catalog.readers.files import Rejection, SourceFile
from genair_engine.catalog.readers.meanings import Meaning
from genair_engine.catalog.readers.text_table import TextTable

Holds = Literal["interactions", "items", "users", "triples", "links"]
"""What a table of a source may hold. All but the interactions may be missing; links say which item is which entity."""

TIE_RULE = "events of a user with equal timestamps keep their order in the file"
DUPLICATE_RULE = "of equal (user, item, timestamp) the first is kept; without timestamps, of equal lines"


@dataclass(frozen=True)
class SourceTable:
    """One table of a source.

    meanings: what its columns are taken for, by column ([columns] → {column: meaning}; those that it leaves out are not used).
    pieces: its rows a piece at a time, read anew by every call; malformed records are added to the list that it is given.
    """

    file: SourceFile
    holds: Holds
    meanings: Callable[[Sequence[str]], Mapping[str, Meaning]]
    pieces: Callable[[list[Rejection]], Iterator[TextTable]]


@dataclass(frozen=True)
class Source:
    """The tables of a data set's files, interactions among them.

    rules: what its provenance says of how it is read. repeats_count: whether a user's interaction with an item that is there
    twice in all its columns happened twice; otherwise the first is kept. more_files: files that rules were read from.
    """

    tables: list[SourceTable]
    rules: Mapping[str, object]
    repeats_count: bool = False
    more_files: list[SourceFile] = field(default_factory=list)

    def table(self, holds: Holds) -> SourceTable | None:
        return next((table for table in self.tables if table.holds == holds), None)
