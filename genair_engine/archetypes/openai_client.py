"""A server that speaks OpenAI's chat protocol (vLLM, Ollama, llama.cpp, TGI, OpenAI): one prompt in, one answer out.

Requests that fail in a way that may pass (429, 5xx, no connection, no answer in time, half an answer) are repeated after a
pause that doubles each time and is drawn at random (full jitter above its half), or as long as the server's Retry-After says.
The key goes into the request's header and nowhere else: neither messages nor records ever hold it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx2

from genair_engine.archetypes.backends import Sampling
from genair_engine.archetypes.openai_answers import (
    MALFORMED,
    QUOTED,
    Answer,
    Fault,
    first_words,
    parsed,
    read,
    read_events,
    storable,
)
from genair_engine.errors import ModelError
from genair_engine.settings import Settings

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds before the first repetition, and the most before a later one."""
LONGEST_RETRY_AFTER = 600.0
"""A server that asks for a longer pause [s] is not waited for."""
CONNECT_SECONDS = 10.0
_MAY_PASS = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_CONCERNS_ALL = {401, 403, 404, 405}


class ChatClient:
    """One model of the server in the settings. Raises ModelError where none is set."""

    def __init__(self, settings: Settings, model: str) -> None:
        if settings.openai_base_url is None:
            raise ModelError(
                "No server is set for models that begin with openai: — set GENAIR_OPENAI_BASE_URL to its base URL (vLLM "
                "http://localhost:8000/v1, Ollama http://localhost:11434/v1, llama.cpp http://localhost:8080/v1), and "
                "GENAIR_OPENAI_API_KEY where it wants a key."
            )
        if not model:
            raise ModelError("No model is named: write openai:MODEL, with the name that the server knows it by.")
        parts = urlsplit(settings.openai_base_url)
        self.model = model
        self.host = parts.netloc.rpartition("@")[2]
        self._url = urlunsplit(parts._replace(netloc=self.host))  # without a password, which an error might quote
        self._auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._key = (settings.openai_api_key or "").strip()
        self._timeout, self._retries = settings.openai_timeout, settings.openai_retries
        self._rate = settings.openai_rate
        if not (self._key.isascii() and self._key.isprintable()):
            raise ModelError("GENAIR_OPENAI_API_KEY holds characters that are in no key.")
        self._headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._limit = "max_tokens"  # newer models of OpenAI's know it by another name only

    def served(self) -> list[str]:
        """The names of the models that it serves, as far as it tells. Raises ModelError where it does not answer."""
        try:
            response = httpx2.get(f"{self._url}/models", headers=self._headers, auth=self._auth, timeout=CONNECT_SECONDS)
            if response.status_code in (404, 405, 501):
                return []  # not all servers have it
            if response.status_code != 200:
                raise ModelError(f"{str(self._refusal(response, response.content)).rstrip('.')}.")
            return [str(model["id"]) for model in response.json().get("data") or []]
        except (httpx2.HTTPError, httpx2.InvalidURL, KeyError, *MALFORMED) as error:
            why = self._discreet(first_words(error))
            raise ModelError(
                f"{self.host} does not answer as a server of language models ({why}): is it running, and is "
                "GENAIR_OPENAI_BASE_URL right (with /v1 at its end, mostly)?"
            ) from None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Connections that requests share, and the pace that they keep together."""
        async with httpx2.AsyncClient(
            base_url=self._url + "/",
            headers=self._headers,
            auth=self._auth,
            timeout=httpx2.Timeout(self._timeout, connect=min(CONNECT_SECONDS, self._timeout), pool=None),
            limits=httpx2.Limits(max_connections=None),
        ) as http:
            yield Session(http, Pace(self._rate))

    async def answer(
        self,
        session: Session,
        prompt: str,
        seed: int,
        sampling: Sampling,
        tell: Callable[[str], None] | None = None,
    ) -> Answer:
        """The answer to one prompt. tell: is given the text so far, as it comes. Raises Fault where all attempts fail."""
        attempt = 0
        while True:
            try:
                return await self._attempt(session, prompt, seed, sampling, tell)
            except Fault as fault:
                fault.args = (self._discreet(str(fault)),)
                if not fault.may_pass:
                    raise
                if fault.after > LONGEST_RETRY_AFTER:
                    raise Fault(f"{fault} (it wants to be left alone for {fault.after:,.0f} s)", concerns_all=True) from None
                if attempt == self._retries:
                    tries = f" ({attempt + 1} attempts)" if attempt else ""
                    raise Fault(f"{fault}{tries}", may_pass=True) from None
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) * random.uniform(0.5, 1)
                if fault.after:
                    session.pace.pause(fault.after)
                await asyncio.sleep(max(pause, fault.after))
                attempt += 1

    async def _attempt(
        self, session: Session, prompt: str, seed: int, sampling: Sampling, tell: Callable[[str], None] | None
    ) -> Answer:
        await session.pace.turn()
        body = self._body(prompt, seed, sampling, streaming=tell is not None)
        try:
            async with (
                asyncio.timeout(self._timeout),
                session.http.stream("POST", "chat/completions", json=body) as response,
            ):
                if response.status_code != 200:
                    raise self._refusal(response, await read(response))
                if tell is not None and "text/event-stream" in response.headers.get("content-type", ""):
                    return (await read_events(response, tell)).answer(self.host)
                return parsed(await read(response)).answer(self.host)
        except TimeoutError:
            raise Fault(f"{self.host} gave no answer within {self._timeout:g} s", may_pass=True) from None
        except httpx2.TimeoutException as error:
            raise Fault(f"{self.host} gave no answer in time ({first_words(error)})", may_pass=True) from None
        except httpx2.RemoteProtocolError:
            raise Fault(f"{self.host} gave half an answer and hung up", may_pass=True) from None
        except httpx2.HTTPError as error:
            raise Fault(f"{self.host} could not be reached ({first_words(error)})", may_pass=True) from None

    def _body(self, prompt: str, seed: int, sampling: Sampling, *, streaming: bool) -> dict[str, Any]:
        text = prompt.encode("utf-8", "replace").decode()  # half a surrogate pair is no JSON text
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": text}],
            self._limit: sampling.max_new_tokens,
            "temperature": 0 if sampling.greedy else sampling.temperature,
            "top_p": 1 if sampling.greedy else sampling.top_p,
            "seed": seed,
        }
        if sampling.repetition_penalty != 1:  # beyond the protocol: vLLM's, SGLang's and TGI's name, and llama.cpp's
            body |= {name: sampling.repetition_penalty for name in ("repetition_penalty", "repeat_penalty")}
        if streaming:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def _refusal(self, response: httpx2.Response, content: bytes) -> Fault:
        """What an answer that is none means."""
        status, words = response.status_code, self._message(content)
        if status == 400 and self._limit in words and "max_completion_tokens" in words:
            self._limit = "max_completion_tokens"
            return Fault(f"{self.host} wants max_completion_tokens", may_pass=True)
        if status == 400 and ("repetition_penalty" in words or "repeat_penalty" in words):
            return Fault(
                f"{self.host} knows no repetition penalty: give --repetition-penalty 1. It said: {words}", concerns_all=True
            )
        if status in (401, 403):
            return Fault(
                f"{self.host} refused the key ({status}): is GENAIR_OPENAI_API_KEY right"
                + (", and may it use this model?" if self._key else "? It is not set."),
                concerns_all=True,
            )
        if status == 404:
            return Fault(
                f"{self.host} knows no model {self.model!r}, or GENAIR_OPENAI_BASE_URL lacks its /v1. It said: {words}",
                concerns_all=True,
            )
        return Fault(
            f"{self.host} answered {status}: {words}",
            may_pass=status in _MAY_PASS,
            concerns_all=status in _CONCERNS_ALL or status < 400,
            server=status < 400,
            after=_retry_after(response),
        )

    def _message(self, content: bytes) -> str:
        """The server's own words, short, on one line and without the key."""
        text = content.decode("utf-8", "replace")
        try:
            answer = json.loads(text)
            error = answer.get("error", answer.get("detail", answer))
            text = str(error.get("message", error) if isinstance(error, dict) else error)
        except MALFORMED:
            pass  # no JSON
        return " ".join(storable(self._discreet(text)).split())[:QUOTED] or "nothing more"

    def _discreet(self, text: str) -> str:
        return text.replace(self._key, "…") if self._key else text


@dataclass
class Session:
    """What the requests of one piece of work share."""

    http: httpx2.AsyncClient
    pace: Pace


class Pace:
    """When the next request may begin: so many a minute at most, and none while the server has asked for a pause."""

    def __init__(self, a_minute: float | None) -> None:
        self._interval = 60 / a_minute if a_minute else 0.0
        self._next = 0.0
        self._open = 0.0

    def pause(self, seconds: float) -> None:
        self._open = max(self._open, time.monotonic() + seconds)

    async def turn(self) -> None:
        """Waits until it is this request's turn."""
        turn = max(time.monotonic(), self._next)
        self._next = turn + self._interval
        while (wait := max(turn, self._open) - time.monotonic()) > 0:
            await asyncio.sleep(wait)


def _retry_after(response: httpx2.Response) -> float:
    """Seconds from now: the header holds a number of them, or a date."""
    value = response.headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
