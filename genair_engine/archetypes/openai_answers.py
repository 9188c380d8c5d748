"""Answers of a server that speaks OpenAI's protocol: one JSON object, or a stream of events; and why there is none.

Nothing of what a server sends is trusted: its size is limited, its form is checked, and what no database stores is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import httpx2

LARGEST_ANSWER = 16_000_000
"""Bytes of a response: more is no archetype."""
ENDED = {"stop", "eos", "eos_token", "end_turn", "stop_sequence"}
"""Reasons to finish of an answer that is whole."""
MALFORMED = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading JSON of another form than expected raises: no number, infinity, lists within lists without end."""
MOST_TOKENS = 2**31 - 1
"""The largest count that is kept."""
QUOTED = 200
"""Characters of a server's own message that ours repeats."""


@dataclass(frozen=True)
class Answer:
    """What the server wrote. Token counts are the server's, 0 where it gives none."""

    text: str
    finish: Literal["eos", "length"]
    prompt_tokens: int
    generated_tokens: int


class Fault(Exception):
    """Why there is no answer, for a person.

    may_pass: the same request may succeed later. concerns_all: no other request would fare better. server: it says something
    about the server, and not only about this prompt. after: seconds that the server asks to wait.
    """

    def __init__(
        self, reason: str, *, may_pass: bool = False, concerns_all: bool = False, server: bool = True, after: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.may_pass, self.concerns_all, self.server, self.after = may_pass, concerns_all, server or may_pass, after


@dataclass
class Parsed:
    """An answer as the protocol has it."""

    text: str = ""
    finish: str | None = None
    prompt_tokens: int = 0
    generated_tokens: int = 0

    def add(self, message: Any, part: Literal["message", "delta"]) -> None:
        """Takes in a response, or one event of a stream. Raises ValueError where it is none."""
        if not isinstance(message, dict):
            raise ValueError("no JSON object")
        if message.get("error"):
            raise ValueError(f"an error: {str(message['error'])[:QUOTED]}")
        choices = message.get("choices")
        if not isinstance(choices, list) or (not choices and part == "message"):
            raise ValueError("no choices")
        for choice in choices[:1]:
            content = (choice.get(part) or {}).get("content") or ""
            if not isinstance(content, str):
                raise ValueError("content that is no text")
            self.text += content
            finish = choice.get("finish_reason") or self.finish
            if not isinstance(finish, str | None):
                raise ValueError("a finish_reason that is no text")
            self.finish = finish
        usage = message.get("usage") or {}
        self.prompt_tokens = _count(usage.get("prompt_tokens") or self.prompt_tokens)
        self.generated_tokens = _count(usage.get("completion_tokens") or self.generated_tokens)

    def answer(self, host: str) -> Answer:
        """The answer, if it is a whole one. Raises Fault; host: what that calls the server."""
        if self.finish == "content_filter":
            raise Fault(f"{host} withheld the answer (content filter)", server=False)
        if self.finish != "length" and self.finish not in ENDED:
            raise Fault(f"{host} gave half an answer (it ends with {self.finish!r})", may_pass=True)
        text = storable(self.text).strip()
        if not text:
            cut = "; raise --max-new-tokens if it thinks first" if self.finish == "length" else ""
            raise Fault(f"{host} gave an empty answer{cut}", server=False)
        return Answer(text, "length" if self.finish == "length" else "eos", self.prompt_tokens, self.generated_tokens)


def _count(count: Any) -> int:
    """A count of tokens that a database keeps. Raises ValueError, TypeError, OverflowError where it is no number."""
    return max(0, min(int(count), MOST_TOKENS))


def parsed(content: bytes) -> Parsed:
    """A response's body. Raises Fault."""
    parsed = Parsed()
    try:
        parsed.add(json.loads(content), "message")
    except MALFORMED as error:
        raise Fault(f"the server's answer is not of OpenAI's form ({first_words(error)})", may_pass=True) from None
    return parsed


async def read(response: httpx2.Response) -> bytes:
    """A response's body, whatever is in it. Raises Fault where it is too large."""
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > LARGEST_ANSWER:
            raise Fault(f"the server's answer is larger than {LARGEST_ANSWER / 1e6:g} MB", server=False)
    return bytes(content)


async def read_events(response: httpx2.Response, tell: Callable[[str], None]) -> Parsed:
    """Server-sent events, each with a piece of the answer, until [DONE]."""
    parsed, size = Parsed(), 0
    async for line in response.aiter_lines():
        size += len(line)
        if size > LARGEST_ANSWER:
            raise Fault(f"the server's answer is larger than {LARGEST_ANSWER / 1e6:g} MB", server=False)
        field, _, data = line.partition(":")
        if field != "data":
            continue  # a comment that keeps the connection alive, or the empty line after an event
        if data.strip() == "[DONE]":
            break
        before = parsed.text
        try:
            parsed.add(json.loads(data), "delta")
        except MALFORMED as error:
            raise Fault(f"the server's answer is not of OpenAI's form ({first_words(error)})", may_pass=True) from None
        if parsed.text != before:
            tell(storable(parsed.text).strip())
    return parsed


def storable(text: str) -> str:
    """Without what no database stores: NUL and halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def first_words(error: BaseException) -> str:
    """The first line of an error's message, or its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:QUOTED]
