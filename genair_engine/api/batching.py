"""Requests that come while others are being answered are answered together, in one pass over the catalogue.

Reading all item vectors costs the same for one session and for twenty. So nothing waits for company: a request that finds its
run idle is answered at once, and what arrives meanwhile makes the next batch. One thread ranks, as torch uses all cores for
one product already; runs are loaded in others, so that a run that is being loaded keeps nobody of another run waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from genair_engine.errors import OutageError
from genair_engine.verbs.recommending.recommend import Recommenders
from genair_engine.verbs.recommending.requests import BatchRequest, BatchResult, RecommendRequest, RecommendResult

MOST_AT_ONCE = 64
"""Requests a batch: bounds the memory of its scores."""
MOST_WAITING = 1000
"""Requests that may wait for one run; more are refused, since they would wait for too long."""


class Batcher:
    """Answers `recommend` requests. recommenders: asked in another thread, also for the first time."""

    def __init__(self, recommenders: Callable[[], Recommenders]) -> None:
        self._recommenders = recommenders
        self._waiting: dict[str, list[tuple[RecommendRequest, asyncio.Future[RecommendResult]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ranking = ThreadPoolExecutor(1, thread_name_prefix="ranking")

    async def recommend(self, request: RecommendRequest) -> RecommendResult:
        """The verb's answer. Raises as the verb, and OutageError where too many wait already."""
        answer = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(request.run)
        if waiting is None:
            self._waiting[request.run] = [(request, answer)]
            task = asyncio.create_task(self._serve(request.run))
            self._tasks.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(self._tasks.discard)
        elif len(waiting) >= MOST_WAITING:
            raise OutageError(f"{MOST_WAITING} requests wait for this run already: try again in a moment.")
        else:
            waiting.append((request, answer))
        return await answer

    async def batch(self, request: BatchRequest) -> BatchResult:
        """Many sessions of one request, in the same thread as all ranking."""
        recommender = await asyncio.to_thread(lambda: self._recommenders().of(request.run))
        return await asyncio.get_running_loop().run_in_executor(self._ranking, recommender.answer_batch, request)

    async def _serve(self, run: str) -> None:
        """Answers what waits for a run until nothing does."""
        waiting = self._waiting[run]
        try:
            while waiting:
                batch, waiting[:] = waiting[:MOST_AT_ONCE], waiting[MOST_AT_ONCE:]
                await self._answer(run, batch)
        finally:
            del self._waiting[run]

    async def _answer(self, run: str, batch: list[tuple[RecommendRequest, asyncio.Future[RecommendResult]]]) -> None:
        requests = [request for request, _ in batch]
        answers: list[RecommendResult | Exception]
        try:
            recommender = await asyncio.to_thread(lambda: self._recommenders().of(run))
            answers = [*await asyncio.get_running_loop().run_in_executor(self._ranking, recommender.answer_many, requests)]
        except Exception as error:  # whoever asked is told, whatever it was; the next batch is not concerned
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():  # the client has gone
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
