"""The table of recommendation quality that benchmarks print."""

from __future__ import annotations

from collections.abc import Iterable

from genair_engine import verbs

SHOWN = (
    ("valid", "full", "NDCG@10"),
    ("test", "full", "HR@10"),
    ("test", "full", "NDCG@10"),
    ("test", "sampled100", "HR@10"),
    ("test", "sampled100", "NDCG@10"),
)


def print_rows(title: str, rows: Iterable[tuple[str, verbs.SweepRow]]) -> None:
    """Prints the rows as Markdown, best validation first. epochs: the best one of each seed; what diverged is named."""
    print(f"\n| {title} | valid NDCG@10 | test HR@10 | test NDCG@10 | 100 neg. HR@10 | 100 neg. NDCG@10 | seeds | epochs |")
    print("|---|---|---|---|---|---|---|---|")
    for name, row in sorted(rows, key=lambda named_row: -named_row[1].score("valid")):
        cells = [_cell(row, *where) for where in SHOWN]
        epochs = ", ".join(map(str, row.best_epochs)) or "–"
        print(f"| {name} | {' | '.join(cells)} | {len(row.seeds) or '–'} | {epochs} |", flush=True)
        for reason in row.failed:
            print(f"| … {reason} | | | | | | | |")


def _cell(row: verbs.SweepRow, part: str, protocol: str, metric: str) -> str:
    if not row.metrics:
        return "–"
    value = row.metrics[part][protocol][metric]
    return f"{value.mean:.4f}" + (f" ± {value.sd:.4f}" if value.sd is not None else "")
