"""Reading verbs for pages: what a workspace holds, data set by data set, without loading any of it.

Runs are counted and the best of each data set is named, however many there are; who wants to see some asks
`training.runs.runs_of` for a page of them.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from genair_engine.store import runs as run_rows
from genair_engine.store import texts as text_rows
from genair_engine.store.datasets import list_datasets
from genair_engine.store.tables import DatasetRow
from genair_engine.verbs.base import Record
from genair_engine.verbs.representations.stored import part_of_texts
from genair_engine.workspace import Workspace

QUALITY = "NDCG@10"
"""What the best run is best by: of test items among all items."""


class ArchetypeSetState(Record):
    """How far a model has come with a data set's archetypes."""

    archetypes: str
    model: str
    items: int


class RepresentationState(Record):
    """What a representation is made of. describes: whether a part is of archetypes, so that audiences can be found in it."""

    representation: str
    model: str
    archetypes_by: str | None
    dims: dict[str, int]
    describes: bool


class BestRun(Record):
    """The finished run with the highest NDCG@10 of test items among all items. backbone, loss: "" where it has none."""

    run: str
    backbone: str
    method: str
    loss: str
    seed: int
    quality: float


class DatasetState(Record):
    """One data set's place in the pipeline: imported → archetypes → representations → runs. about: its source's own words.

    runs: state → how many. best: None before a run has finished.
    """

    dataset: str
    users: int
    items: int
    interactions: int
    rejected: int
    about: str
    archetype_sets: list[ArchetypeSetState]
    representations: list[RepresentationState]
    runs: dict[str, int]
    best: BestRun | None

    @property
    def ready_runs(self) -> int:
        """How many runs can recommend."""
        return self.runs.get("done", 0)


class WorkspaceState(Record):
    """All data sets of the workspace by name."""

    datasets: list[DatasetState]


def workspace_state(workspace: Workspace) -> WorkspaceState:
    """What is in the workspace, data set by data set."""
    with workspace.reading() as session:
        counts, best = run_rows.count_runs(session), run_rows.best_runs(session, QUALITY)
        states = [_state(session, row, counts.get(row.id, {}), best.get(row.name)) for row in list_datasets(session)]
    return WorkspaceState(datasets=states)


def _state(session: Session, dataset: DatasetRow, runs: dict[str, int], best: run_rows.LeaderboardRow | None) -> DatasetState:
    return DatasetState(
        dataset=dataset.name,
        users=dataset.n_users,
        items=dataset.n_items,
        interactions=dataset.n_interactions,
        rejected=dataset.n_rejected,
        about=dataset.provenance.get("about", ""),
        archetype_sets=[
            ArchetypeSetState(archetypes=archetypes.id, model=archetypes.model, items=texts)
            for archetypes, texts in text_rows.list_sets(session, dataset.id)
        ],
        representations=[
            RepresentationState(
                representation=representation.id,
                model=representation.model,
                archetypes_by=representation.provenance.get("archetypes_by"),
                dims=representation.dims,
                describes=part_of_texts(representation) is not None,
            )
            for representation in run_rows.list_representations(session, dataset.id)
        ],
        runs=runs,
        best=_best(best) if best else None,
    )


def _best(run: run_rows.LeaderboardRow) -> BestRun:
    return BestRun(
        run=run.run,
        backbone=run.backbone,
        method=run.method,
        loss=run.loss,
        seed=run.seed,
        quality=run.metrics[QUALITY] or 0.0,
    )
