"""Random logs for the readers' property tests, what they must be read as, and how they are written in each format."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from hypothesis import strategies as st

from genair_engine.catalog.dataset import Dataset

Event = tuple[str, str, int]

_letters = st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters='",;|')
identifiers = st.text(_letters, min_size=1, max_size=6)
words = st.text(_letters | st.just(" "), max_size=20).map(str.strip)
prose = st.text(_letters | st.sampled_from(' ,"\n;\t'), max_size=30).map(str.strip)


@dataclass(frozen=True)
class Log:
    """Events (user, item, time) in file order, and the titles of all items."""

    titles: dict[str, str]
    events: list[Event]

    def expected(self) -> dict[str, list[str]]:
        """User -> item ids, oldest first; users in order of appearance."""
        rows: dict[str, list[Event]] = {}
        for event in self.events:
            rows.setdefault(event[0], []).append(event)
        return {user: [item for _, item, _ in sorted(row, key=lambda event: event[2])] for user, row in rows.items()}


@st.composite
def logs(draw: st.DrawFn, titles: st.SearchStrategy[str] = words, min_events: int = 1) -> Log:
    """Logs without repeated events; timestamps often tie."""
    items = draw(st.lists(identifiers, min_size=2, max_size=8, unique=True))
    users = draw(st.lists(identifiers, min_size=1, max_size=6, unique=True))
    event = st.tuples(st.sampled_from(users), st.sampled_from(items), st.integers(0, 5))
    events = draw(st.lists(event, min_size=min_events, max_size=30, unique=True))
    named = titles.filter(lambda title: title.lower() not in ("none", "nan", "null"))
    return Log({item: draw(named) for item in items}, events)


def lists_of(dataset: Dataset) -> dict[str, list[str]]:
    """User -> item ids of a dataset, for comparison with Log.expected."""
    ids = dataset.items["item_id"].tolist()
    return {user: [ids[i - 1] for i in dataset.sequences[row]] for row, user in enumerate(dataset.user_ids)}


def titles_of(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.items["item_id"], dataset.items["title"], strict=True))


def csv_lines(rows: list[tuple[object, ...]]) -> list[str]:
    """Every row as CSV text (a quoted field may hold line breaks), without its own line break."""
    out = []
    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow(row)
        out.append(buffer.getvalue().removesuffix("\n"))
    return out


def write_lines(path: Path, lines: list[str], newline: str = "\n") -> None:
    path.write_text(newline.join(lines) + newline, encoding="utf-8", newline="")


def write_csv_log(log: Log, folder: Path) -> None:
    write_lines(folder / "ratings.csv", ["userId,movieId,timestamp", *csv_lines(list(log.events))])
    write_lines(folder / "movies.csv", ["movieId,title", *csv_lines(list(log.titles.items()))])


def write_recbole_log(log: Log, folder: Path) -> None:
    write_lines(
        folder / "log.inter",
        ["user_id:token\titem_id:token\ttimestamp:float", *(f"{u}\t{i}\t{t}" for u, i, t in log.events)],
    )
    write_lines(
        folder / "log.item",
        ["item_id:token\ttitle:token_seq", *(f"{item}\t{title}" for item, title in log.titles.items())],
    )


def write_lcrec_log(log: Log, folder: Path) -> None:
    (folder / "log.inter.json").write_text(json.dumps(log.expected(), indent=1), encoding="utf-8")
    fields = {item: {"title": title} for item, title in log.titles.items()}
    (folder / "log.item.json").write_text(json.dumps(fields, ensure_ascii=False), encoding="utf-8")


def write_parquet_log(log: Log, folder: Path) -> None:
    pd.DataFrame(log.events, columns=["user_id", "item_id", "timestamp"]).to_parquet(folder / "events.parquet")
    pd.DataFrame(list(log.titles.items()), columns=["item_id", "title"]).to_parquet(folder / "items.parquet")
