"""A run's metrics in the database: a row a number, so that a table of results is a query.

In Python they are nested: {part: {protocol: {metric: value}, "groups": {grouping: {protocol: {members: {metric: value}}}},
"beyond": {metric: value}}}, as `verbs.evaluation.measure` makes them and `RunResult.metrics` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from genair_engine.store.tables import RunMetricRow

GROUPS = "groups"
BEYOND = "beyond"
COUNT = "users"
"""The one number of a group that is a count."""

Metrics = dict[str, dict[str, Any]]
Path = tuple[str, str, str, str, str]
"""part, protocol, grouping, members, metric."""


def flat(metrics: Metrics) -> Iterator[tuple[Path, float]]:
    """The numbers of nested metrics with their paths, in their order."""
    for part, measured in metrics.items():
        for name, values in measured.items():
            if name == GROUPS:
                for grouping, protocols in values.items():
                    for protocol, groups in protocols.items():
                        for members, numbers in groups.items():
                            yield from (((part, protocol, grouping, members, metric), numbers[metric]) for metric in numbers)
            else:
                protocol = "" if name == BEYOND else name
                yield from (((part, protocol, "", "", metric), values[metric]) for metric in values)


def save_metrics(session: Session, run: str, metrics: Metrics) -> None:
    """Keeps a run's metrics in the place of those that it has."""
    session.execute(delete(RunMetricRow).where(RunMetricRow.run_id == run))
    names = ("part", "protocol", "grouping", "members", "metric")
    rows = [
        dict(zip(names, path, strict=True)) | {"run_id": run, "value": float(value), "place": place}
        for place, (path, value) in enumerate(flat(metrics))
    ]
    if rows:
        session.execute(insert(RunMetricRow), rows)


def load_metrics(session: Session, runs: Sequence[str], groups: bool = True) -> dict[str, Metrics]:
    """Run → its nested metrics, {} for a run without any; one query. groups: with those of groups of users."""
    query = (
        select(
            RunMetricRow.run_id,
            RunMetricRow.part,
            RunMetricRow.protocol,
            RunMetricRow.grouping,
            RunMetricRow.members,
            RunMetricRow.metric,
            RunMetricRow.value,
        )
        .where(RunMetricRow.run_id.in_(runs))
        .order_by(RunMetricRow.run_id, RunMetricRow.place)
    )
    if not groups:
        query = query.where(RunMetricRow.grouping == "")
    nested: dict[str, Metrics] = {run: {} for run in runs}
    for run, part, protocol, grouping, members, metric, value in session.execute(query):
        measured = nested[run].setdefault(part, {})
        if grouping:
            protocols = measured.setdefault(GROUPS, {}).setdefault(grouping, {})
            numbers = protocols.setdefault(protocol, {}).setdefault(members, {})
        else:
            numbers = measured.setdefault(protocol or BEYOND, {})
        numbers[metric] = int(value) if metric == COUNT else value
    return nested
