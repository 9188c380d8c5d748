"""The backend `openai:MODEL`: texts from a server that speaks OpenAI's protocol, states from a model on this machine.

A server gives no hidden states. So a local model reads prompt and answer in one teacher-forced pass (`embedder`) while the
server writes the next answers. Which model read is kept with the texts, and so is the server's host (in the place of the
revision, since nobody can see the weights), never its key. The same seed need not give the same text again: that is the
server's affair.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any, Generic, TypeVar

from genair_engine.archetypes.backends import EMBED_SIZE, Completion, Failure, LanguageModel, Sampling, Work, Written
from genair_engine.archetypes.embedder import Embedder
from genair_engine.archetypes.openai_answers import Answer, Fault
from genair_engine.archetypes.openai_client import ChatClient
from genair_engine.errors import ModelError

IN_A_ROW = 20
"""So many prompts in a row that a server could not answer, in all attempts, end the work: it is away or overloaded."""

T = TypeVar("T")


class ServerModel(LanguageModel):
    """A model of a server (`Streaming`), with the model on this machine that embeds its texts.

    name: as people write it, openai:MODEL. concurrency: the most prompts that wait for answers at a time.
    """

    def __init__(self, name: str, client: ChatClient, embedder: Embedder, concurrency: int) -> None:
        self._client, self._embedder, self._concurrency = client, embedder, concurrency
        self.model_id, self.revision, self.backend = name, client.host, "openai"
        self.dim, self.precision = embedder.dim, embedder.precision
        self.device = f"{client.host}, read on {embedder.device}"
        self.provenance = {"server": client.host} | embedder.provenance

    def stream(self, prompt: str, seed: int, sampling: Sampling, *, name: str = "the prompt") -> Iterator[str | Completion]:
        """The answer so far as the server sends it, and at last the completion. Raises ModelError where the prompt fails."""
        started = time.perf_counter()

        async def ask(tell: Callable[[str | Answer | Fault], None]) -> None:
            async with self._client.session() as session:
                try:
                    tell(await self._client.answer(session, prompt, seed, sampling, tell))
                except Fault as fault:
                    tell(fault)

        with closing(_Aside(ask)) as replies:
            for pieces in replies:
                last = pieces[-1]  # pieces are the whole text so far: older ones are out of date
                if isinstance(last, str):
                    yield last
                    continue
                if len(pieces) > 1 and isinstance(pieces[-2], str):
                    yield pieces[-2]
                seconds = time.perf_counter() - started
                (written,) = self._embed([prompt], [last], [name], seconds, 1)
                if isinstance(written, Failure):
                    raise ModelError(written.reason)
                yield written

    def answer(self, work: Work) -> Iterator[list[tuple[int, Written]]]:
        """What is answered and embedded, as it comes.

        Raises ModelError where the server refuses (key, model) or fails `IN_A_ROW` prompts one after another.
        """
        waiting = iter(range(len(work.prompts)))

        async def ask(tell: Callable[[tuple[int, Answer | Fault]], None]) -> None:
            async with self._client.session() as session:

                async def one_after_another() -> None:
                    for i in waiting:
                        try:
                            tell((i, await self._client.answer(session, work.prompts[i], work.seeds[i], work.sampling)))
                        except Fault as fault:
                            tell((i, fault))

                at_once = min(self._concurrency, work.batch_size, len(work.prompts))
                await asyncio.gather(*(one_after_another() for _ in range(at_once)))

        in_a_row, since, at_once = 0, time.perf_counter(), min(work.batch_size, EMBED_SIZE)
        with closing(_Aside(ask)) as replies:
            for arrived in replies:
                final = next((fault for _, fault in arrived if isinstance(fault, Fault) and fault.concerns_all), None)
                answers = [(i, reply) for i, reply in arrived if not (isinstance(reply, Fault) and reply.concerns_all)]
                for start in range(0, len(answers), at_once):
                    chunk = answers[start : start + at_once]
                    indices = [i for i, _ in chunk]
                    prompts, labels = [work.prompts[i] for i in indices], [work.labels[i] for i in indices]
                    seconds = time.perf_counter() - since
                    written = self._embed(prompts, [reply for _, reply in chunk], labels, seconds, at_once)
                    since = time.perf_counter()
                    yield list(zip(indices, written, strict=True))
                for _, reply in answers:
                    in_a_row = in_a_row + 1 if isinstance(reply, Fault) and reply.server else 0
                    if in_a_row == IN_A_ROW:
                        raise ModelError(
                            f"The server failed {IN_A_ROW} prompts one after another. The last: {_sentence(reply)}"
                        )
                if final:
                    raise ModelError(_sentence(final))

    def _embed(
        self, prompts: Sequence[str], replies: Sequence[Answer | Fault], labels: Sequence[str], seconds: float, batch_size: int
    ) -> list[Written]:
        """Completions of answers, failures of faults; `seconds` are shared by the completions."""
        answers = {k: reply for k, reply in enumerate(replies) if isinstance(reply, Answer)}
        started = time.perf_counter()
        pairs = self._embedder.embed(
            [prompts[k] for k in answers],
            [answer.text for answer in answers.values()],
            [labels[k] for k in answers],
            batch_size,
        )
        share = (seconds + time.perf_counter() - started) / max(len(answers), 1)
        written: dict[int, Written] = {
            k: pair
            if isinstance(pair, Failure)
            else Completion(answer.text, answer.prompt_tokens, answer.generated_tokens, answer.finish, share, *pair)
            for (k, answer), pair in zip(answers.items(), pairs, strict=True)
        }
        failed = {k: Failure(f"No archetype of {labels[k]}: {_sentence(reply)}") for k, reply in enumerate(replies)}
        return [written.get(k, failed[k]) for k in range(len(replies))]


def _sentence(fault: object) -> str:
    return str(fault).rstrip(".") + "."


class _Aside(Generic[T]):
    """An iterator over what `work` tells, in lists of all that is there, while it runs in an event loop of its own thread.

    close() cancels it at once, whatever it waits for. An error of `work` is raised after what it told before.
    """

    def __init__(self, work: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]]) -> None:
        self._told: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(work(self._told.put))
        self._thread = threading.Thread(target=self._run, name="asking a server", daemon=True)
        self._ended: _End | None = None
        self._thread.start()

    def _run(self) -> None:
        end = _End(None)
        try:
            self._loop.run_until_complete(self._task)
        except BaseException as error:
            end = _End(error)
        finally:
            self._loop.close()
            self._told.put(end)

    def __iter__(self) -> Iterator[list[T]]:
        while self._ended is None:
            pieces = [self._told.get()]
            while not self._told.empty():
                pieces.append(self._told.get())
            if isinstance(pieces[-1], _End):
                self._ended = pieces.pop()  # type: ignore[assignment]
            if pieces:
                yield pieces  # type: ignore[misc]
        if self._ended.error is not None:
            raise self._ended.error

    def close(self) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()


class _End:
    """That nothing more comes, and the error that ended it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
