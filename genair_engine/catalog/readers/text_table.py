"""Tables of text whose rows know where they stood in their file.

pandas is loaded when a table is made: who only asks a reader for its name and options does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genair_engine.catalog.readers.files import Rejection, shorten
from genair_engine.catalog.readers.meanings import require_columns
from genair_engine.types import BoolArray

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, str]


@dataclass(frozen=True)
class TextTable:
    """Rows of text: the index of `rows` is the line (or row) that each row came from.

    file: its name. has_lines: whether that number is a line of a text file; otherwise it is a row number, told in the reason.
    """

    file: str
    rows: pd.DataFrame
    has_lines: bool = True

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> list[str]:
        return [str(name) for name in self.rows.columns]

    def column(self, name: str) -> pd.Series[str]:
        return self.rows[name]

    def require(self, *names: str) -> None:
        """Raises InputError, naming the columns that exist, where one of `names` is not a column."""
        require_columns(self.file, self.columns, *names)

    def without(self, bad: BoolArray, reason: str | Callable[[Row], str], rejected: list[Rejection]) -> TextTable:
        """The table without its `bad` rows ([n_rows] bool), each of which is added to `rejected` with `reason`."""
        if not bad.any():
            return self
        for number, row in zip(self.rows.index[bad], self.rows[bad].to_dict("records"), strict=True):
            values: Row = {str(key): str(value) for key, value in row.items()}
            text = reason if isinstance(reason, str) else reason(values)
            line = int(number) if self.has_lines else None
            text = text if self.has_lines else f"row {number}: {text}"
            rejected.append(Rejection(self.file, line, text, shorten(" | ".join(values.values()))))
        return TextTable(self.file, self.rows[~bad], self.has_lines)


def metadata_text(value: object) -> str:
    """A value of a nested source as text: lists joined by ", ", mappings as "key: value", None as "".

    What no database can store (lone surrogates, NUL) is taken out.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "")
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{metadata_text(key)}: {metadata_text(part)}" for key, part in value.items())
    if isinstance(value, Iterable):
        return ", ".join(filter(None, map(metadata_text, value)))
    return str(value)


def text_table(file: str, columns: Mapping[str, Sequence[object]], lines: Sequence[int]) -> TextTable:
    """A table of these columns, their values as trimmed text (`metadata_text`). lines: [n_rows] the line of every row."""
    import pandas as pd

    texts = {name: [metadata_text(value).strip() for value in values] for name, values in columns.items()}
    return TextTable(file, pd.DataFrame(texts, index=pd.Index(list(lines), dtype="int64"), dtype="str"))


def joined(pieces: Iterable[TextTable]) -> TextTable:
    """The pieces of one table (at least one) as a whole; a column that a piece lacks is empty there."""
    import pandas as pd

    tables = list(pieces)
    rows = pd.concat([table.rows for table in tables]).fillna("").astype("str") if len(tables) > 1 else tables[0].rows
    return TextTable(tables[0].file, rows, tables[0].has_lines)


def unique_rows(table: TextTable, key: str, rejected: list[Rejection]) -> TextTable:
    """The table with non-empty, unique values of `key`; the first row of each value is kept."""
    table = table.without((table.column(key) == "").to_numpy(bool), f"empty {key}", rejected)
    repeated = table.column(key).duplicated().to_numpy(bool)
    return table.without(repeated, lambda row: f"duplicate {key} {row[key]!r}; the first one is kept", rejected)


def complete_rows(table: TextTable, columns: list[str], rejected: list[Rejection]) -> pd.DataFrame:
    """The `columns` of the table's rows that have a value in all of them, without repeated rows."""
    table = table.without((table.rows[columns] == "").any(axis=1).to_numpy(bool), "an empty field", rejected)
    table = table.without(table.rows.duplicated(subset=columns).to_numpy(bool), "duplicate line", rejected)
    return table.rows[columns].reset_index(drop=True)
