"""A finished run for other programs, the app and the HTTP API: loaded once, it answers as often as it is asked.

    from genair_engine.verbs.recommending.recommender import Recommender

    recommender = Recommender.load("sasrec-genair-1a2b3c4d")
    for one in recommender.recommend(["id1", "id2"], k=10):
        print(one.item, one.score, one.title)

Importing this loads torch, which is why `genair_engine.verbs` does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from typing import Self

from genair_engine import interfaces
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import GenairError, InputError
from genair_engine.serving.index import ApproximateIndex
from genair_engine.serving.ranker import Ranker, Recommendation
from genair_engine.store import artifacts
from genair_engine.store.tables import RunRow
from genair_engine.verbs.recommending.requests import (
    BatchRequest,
    BatchResult,
    RecommendedItem,
    RecommendRequest,
    RecommendResult,
)
from genair_engine.verbs.training.load import load_finished
from genair_engine.verbs.training.runs import run_result
from genair_engine.workspace import Workspace


class Recommender(Ranker):
    """A run's model with its data set. run, dataset: names; deviations: where the run is not as in the paper.

    It holds no connection: a run that is deleted meanwhile still ranks (`verbs.Recommenders` looks).
    """

    def __init__(self, recommender: interfaces.Recommender, dataset: Dataset, run: str, deviations: list[str]) -> None:
        items = dataset.items
        super().__init__(recommender, items["item_id"].tolist(), items["title"].tolist(), name=repr(dataset.name))
        self.run, self.dataset, self.deviations = run, dataset.name, deviations
        self.catalogue = dataset

    @classmethod
    def load(cls, run: str, workspace: Workspace | None = None) -> Self:
        """The run of that name in the workspace, by default the one that the environment names; with its index, if it has one.

        Raises NotFoundError, InputError for a run that has not finished, WorkspaceError.
        """
        with nullcontext(workspace) if workspace else closing(Workspace.open()) as opened:
            finished, deviations = load_finished(opened, run), run_result(opened, run).deviations
            recommender = cls(finished.recommender, opened.load_dataset(finished.owner.name), run, deviations)
            path = opened.fetch(index_of(finished.run), optional=True)
            if path.exists() and recommender.dot_product is not None:
                arrays, strings = artifacts.load_arrays(path), artifacts.load_metadata(path)
                recommender.index = ApproximateIndex.from_arrays(arrays, strings, recommender.dot_product.table())
        return recommender

    def answer(self, request: RecommendRequest) -> RecommendResult:
        """The verb `recommend`. Raises NotFoundError for an unknown item."""
        [answer] = self.answer_many([request])
        if isinstance(answer, GenairError):
            raise answer
        return answer

    def answer_batch(self, request: BatchRequest) -> BatchResult:
        """Many sessions in one call. Raises the first session's error, which names the session."""
        answers = self.answer_many(request.requests())
        for number, answer in enumerate(answers, start=1):
            if isinstance(answer, GenairError):
                raise InputError(f"Session {number}: {answer}") from answer
        return BatchResult(results=[answer for answer in answers if not isinstance(answer, GenairError)])

    def answer_many(self, requests: Sequence[RecommendRequest]) -> list[RecommendResult | GenairError]:
        """The answers to many requests, ranked together; an error stands where its request was, and stops no other."""
        answers: dict[int, RecommendResult | GenairError] = {}
        alike: dict[tuple[bool, str], dict[int, list[int]]] = {}
        for place, request in enumerate(requests):
            try:
                session = self.positions(request.items)
                request.among(self.catalogue)
                alike.setdefault((request.include_seen, str(request.filters)), {})[place] = session
            except GenairError as error:
                answers[place] = error
        for asked in alike.values():
            first, most = requests[next(iter(asked))], max(requests[place].k for place in asked)
            lists = self.ranked(list(asked.values()), most, first.include_seen, first.among(self.catalogue))
            for place, ranked in zip(asked, lists, strict=True):  # a shorter list is the beginning of a longer one
                answers[place] = self._result(requests[place], ranked[: requests[place].k])
        return [answers[place] for place in range(len(requests))]

    def _result(self, request: RecommendRequest, ranked: Sequence[Recommendation]) -> RecommendResult:
        return RecommendResult(
            run=self.run,
            dataset=self.dataset,
            session=request.items,
            items=[
                RecommendedItem(item=item.item, position=item.position, title=item.title, score=item.score) for item in ranked
            ],
            deviations=self.deviations,
        )


def index_of(run: RunRow) -> str:
    """The artifact of a run's approximate index."""
    return f"{run.folder}/index.safetensors"
