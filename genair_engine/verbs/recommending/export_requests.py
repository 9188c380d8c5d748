"""What `export` and `index` are asked and answer: a run as a folder of its own, and an approximate index of its items."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from genair_engine.serving.index import IndexFacts
from genair_engine.verbs.base import Request, Result, Verb, positional


class ExportRequest(Request):
    """Export a trained run to a folder that recommends without the database."""

    run: str = positional("run")
    output: Path = Field(description="folder to make; it must not exist")


class ExportResult(Result):
    """megabytes: 10^6 bytes of all files. files: relative to the folder, without the modules of the engine."""

    run: str
    output: str
    n_items: int
    megabytes: float
    files: list[str]

    def lines(self) -> list[str]:
        return [
            f"Run {self.run} with {self.n_items:,} items is in {self.output} ({self.megabytes:,.1f} MB):",
            f"  {', '.join(self.files)}.",
            "  README.md there says how to use it: python recommend.py --items id1,id2",
        ]


class IndexRequest(Request):
    """Make an approximate index of a run's items, for fast recommendations from a large catalogue."""

    run: str = positional("run")
    recall: float = Field(0.98, gt=0, le=1, description="share of the exact top 10 that the index must find")
    sessions: int = Field(1000, ge=40, le=100_000, description="test users' histories that it is measured on, at most")
    anyway: bool = Field(False, description="also for a catalogue so small that exact search is fast enough")


class IndexResult(Result):
    """A run's index, and how good it is."""

    run: str
    index: IndexFacts

    def lines(self) -> list[str]:
        index = self.index
        return [
            f"Run {self.run}: {index.n_items:,} items in {index.lists:,} clusters, of which a session visits "
            f"{index.probes:,}.",
            f"  Recall@10 {index.recall:.4f} on {index.sessions:,} sessions; {index.milliseconds:.2f} ms a session, exact "
            f"search {index.exact_milliseconds:.2f} ms ({index.threads} threads).",
            "  It is used from now on; an app or server that has the run in memory uses it after a restart.",
        ]


EXPORT = Verb("export", ExportRequest, ExportResult, run="genair_engine.verbs.recommending.export:export", audited=True)
INDEX = Verb("index", IndexRequest, IndexResult, run="genair_engine.verbs.recommending.index:index", role="write")
