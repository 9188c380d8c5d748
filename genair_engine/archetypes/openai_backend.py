"""The backend `openai:MODEL`: texts from a server that speaks OpenAI's protocol, states from a model on this machine.

A server gives no hidden states. So a local model reads prompt and answer in one teacher-forced pass (`reader`) while the
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

from genair_engine.archetypes.backends import (
    BATCH_SIZE,
    READ_SIZE,
    Completion,
    Failure,
    Sampling,
    Written,
    in_order,
    require_matching,
)
from genair_engine.archetypes.hub import Progress, silent
from genair_engine.archetypes.openai_answers import Answer, Fault
from genair_engine.archetypes.openai_client import ChatClient
from genair_engine.archetypes.reader import Reader
from genair_engine.archetypes.sources import SERVER_PREFIX, find_model
from genair_engine.errors import ModelError
from genair_engine.settings import Settings

IN_A_ROW = 20
"""So many prompts in a row that a server could not answer, in all attempts, end the work: it is away or overloaded."""

T = TypeVar("T")


class ServerModel:
    """A model of the server in the settings (a `LanguageModel`, `Streaming`), with the reader of that name.

    Raises ModelError where no server answers, or the reader is missing or cannot be loaded.
    """

    def __init__(
        self, settings: Settings, name: str, reader: str | None, device: str = "auto", progress: Progress = silent
    ) -> None:
        if reader is None:
            raise ModelError(
                f"{name} writes texts and gives no states: name a model on this machine that reads them, such as --reader "
                "qwen2.5-0.5b-instruct, or an encoder (minilm)."
            )
        self._client = ChatClient(settings, name.removeprefix(SERVER_PREFIX))
        self._client.served()
        self._reader = Reader(find_model(reader, settings.models_dir, progress), device)
        self._concurrency = settings.openai_concurrency
        self.model_id, self.revision, self.backend = name, self._client.host, "openai"
        self.dim, self.precision = self._reader.dim, self._reader.precision
        self.device = f"{self._client.host}, read on {self._reader.device}"
        self.facts = {"server": self._client.host} | self._reader.facts

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling, *, names: Sequence[str] = ()
    ) -> list[Completion]:
        """One completion for each prompt, in their order. Raises as `generate_batches`, and ModelError where one fails."""
        return in_order(self.generate_batches(prompts, seeds, sampling, names=names))

    def generate_batches(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        sampling: Sampling,
        batch_size: int = BATCH_SIZE,
        *,
        names: Sequence[str] = (),
    ) -> Iterator[list[tuple[int, Written]]]:
        """What is answered and read, as it comes. Close the iterator to take back what was asked for.

        As many prompts wait for answers at a time as the settings allow, at most `batch_size`. Raises InputError where seeds
        or names do not fit, ModelError where the server refuses (key, model) or fails `IN_A_ROW` prompts one after another.
        """
        require_matching(prompts, seeds, names, batch_size)
        return self._write(prompts, seeds, sampling, batch_size, names or [f"prompt {i}" for i in range(len(prompts))])

    def stream(self, prompt: str, seed: int, sampling: Sampling, *, name: str = "the prompt") -> Iterator[str | Completion]:
        """The answer so far as the server sends it, and at last the completion. Raises ModelError where the prompt fails."""
        started = time.perf_counter()

        async def ask(tell: Callable[[str | Answer | Fault], None]) -> None:
            async with self._client.session() as session:
                try:
                    tell(await self._client.answer(session, prompt, seed, sampling, tell))
                except Fault as fault:
                    tell(fault)

        with closing(_Aside(ask)) as told:
            for pieces in told:
                last = pieces[-1]  # pieces are the whole text so far: older ones are out of date
                if isinstance(last, str):
                    yield last
                    continue
                if len(pieces) > 1 and isinstance(pieces[-2], str):
                    yield pieces[-2]
                seconds = time.perf_counter() - started
                (written,) = self._read([prompt], [last], [name], seconds, 1)
                if isinstance(written, Failure):
                    raise ModelError(written.reason)
                yield written

    def _write(
        self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling, batch_size: int, labels: Sequence[str]
    ) -> Iterator[list[tuple[int, Written]]]:
        waiting = iter(range(len(prompts)))

        async def ask(tell: Callable[[tuple[int, Answer | Fault]], None]) -> None:
            async with self._client.session() as session:

                async def one_after_another() -> None:
                    for index in waiting:
                        try:
                            tell((index, await self._client.answer(session, prompts[index], seeds[index], sampling)))
                        except Fault as fault:
                            tell((index, fault))

                at_once = min(self._concurrency, batch_size, len(prompts))
                await asyncio.gather(*(one_after_another() for _ in range(at_once)))

        in_a_row, since, at_once = 0, time.perf_counter(), min(batch_size, READ_SIZE)
        with closing(_Aside(ask)) as told:
            for found in told:
                final = next((fault for _, fault in found if isinstance(fault, Fault) and fault.concerns_all), None)
                found = [(i, one) for i, one in found if not (isinstance(one, Fault) and one.concerns_all)]
                for start in range(0, len(found), at_once):
                    chunk = found[start : start + at_once]
                    indices, answers = [i for i, _ in chunk], [one for _, one in chunk]
                    seconds = time.perf_counter() - since
                    questions, names = [prompts[i] for i in indices], [labels[i] for i in indices]
                    written = self._read(questions, answers, names, seconds, at_once)
                    since = time.perf_counter()
                    yield list(zip(indices, written, strict=True))
                for _, one in found:
                    in_a_row = in_a_row + 1 if isinstance(one, Fault) and one.server else 0
                    if in_a_row == IN_A_ROW:
                        raise ModelError(f"The server failed {IN_A_ROW} prompts one after another. The last: {_sentence(one)}")
                if final:
                    raise ModelError(_sentence(final))

    def _read(
        self, prompts: Sequence[str], answers: Sequence[Answer | Fault], labels: Sequence[str], seconds: float, batch_size: int
    ) -> list[Written]:
        """Completions of answers, failures of faults; `seconds` are shared by the completions."""
        there = [k for k, one in enumerate(answers) if isinstance(one, Answer)]
        texts = {k: one for k, one in enumerate(answers) if isinstance(one, Answer)}
        started = time.perf_counter()
        states = self._reader.read(
            [prompts[k] for k in there], [texts[k].text for k in there], [labels[k] for k in there], batch_size
        )
        share = (seconds + time.perf_counter() - started) / max(len(there), 1)
        read: dict[int, Written] = {
            k: one
            if isinstance(one, Failure)
            else Completion(texts[k].text, texts[k].prompt_tokens, texts[k].generated_tokens, texts[k].finish, share, *one)
            for k, one in zip(there, states, strict=True)
        }
        failed = {k: Failure(f"No archetype of {labels[k]}: {_sentence(answers[k])}") for k in range(len(answers))}
        return [read.get(k, failed[k]) for k in range(len(answers))]


def _sentence(said: object) -> str:
    return str(said).rstrip(".") + "."


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
