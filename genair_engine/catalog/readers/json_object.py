"""A file that holds one large JSON object, walked entry by entry: it is never in memory as a whole.

Repeated keys are seen, which a parser of whole objects hides, and the line of every entry is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from genair_engine.catalog.readers.files import SourceFile

_SPACE = re.compile(r"[ \t\r\n]*")
_NEAR = 16
"""Characters before the end of the text at hand in which an error may come from its being cut: "tru", "-", "\\u00"."""


def entries(file: SourceFile) -> Iterator[tuple[int, str, object]]:
    """Line, key and value of every entry of the file's top-level object.

    Raises InputError, with line and column, where the file is not a JSON object.
    """
    walker = _Walker(file)
    try:
        yield from walker.entries()
    except json.JSONDecodeError as error:
        line, column = walker.place(error)
        raise file.error(
            f"not valid JSON at column {column} ({error.msg}); expected one object. Export the file again.", line
        ) from None
    except (RecursionError, ValueError) as error:
        raise file.error(f"cannot be read as JSON ({error}).", walker.line()) from None


class _Walker:
    """A window of the file's text that moves on: `at` is the place in it that is read next."""

    def __init__(self, file: SourceFile) -> None:
        self._blocks = file.text_blocks()
        self._decoder = json.JSONDecoder()
        self.text = ""
        self.at = 0
        # Of the window's first character: how many line breaks and, on its line, how many characters are before it.
        self._lines_before = 0
        self._characters_before = 0
        self._counted = (0, 0)  # line breaks in the window before a place, so that none is counted for every entry

    def entries(self) -> Iterator[tuple[int, str, object]]:
        self._expect("{")
        self.at += 1
        self._space()
        while self.text[self.at : self.at + 1] != "}":
            self._forget()
            self._expect('"')
            line = self.line()
            key = self._value()
            self._expect(":")
            self.at += 1
            self._space()
            yield line, str(key), self._value()
            self._expect(",", "}")
            if self.text[self.at] == ",":
                self.at += 1
                self._expect('"')
        self.at += 1
        self._space()
        if self.at < len(self.text):
            raise json.JSONDecodeError("Extra data", self.text, self.at)

    def line(self) -> int:
        """The 1-based line of the file that `at` is on."""
        return self._lines_before + self._breaks() + 1

    def place(self, error: json.JSONDecodeError) -> tuple[int, int]:
        """The 1-based line and column of the file that an error in the window is at."""
        return error.lineno + self._lines_before, error.colno + (self._characters_before if error.lineno == 1 else 0)

    def _more(self) -> bool:
        """Adds as much text again as is still to be read (so that a long value is not read over and over), or none."""
        wanted = len(self.text) + max(len(self.text) - self.at, 1)
        parts = [self.text]
        length = len(self.text)
        while length < wanted and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            length += len(block)
        self.text = "".join(parts)
        return len(parts) > 1

    def _forget(self) -> None:
        """Drops what was read, once it is the larger part of the window."""
        if self.at < len(self.text) / 2:
            return
        breaks = self._breaks()
        last = self.text.rfind("\n", 0, self.at)
        self._characters_before = self.at - last - 1 if breaks else self._characters_before + self.at
        self._lines_before += breaks
        self.text, self.at, self._counted = self.text[self.at :], 0, (0, 0)

    def _breaks(self) -> int:
        """Line breaks in the window before `at`."""
        breaks, place = self._counted
        self._counted = (breaks + self.text.count("\n", place, self.at), self.at)
        return self._counted[0]

    def _space(self) -> None:
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # matches the empty string too
            if self.at < len(self.text) or not self._more():
                return

    def _expect(self, *allowed: str) -> None:
        self._space()
        if not self.text.startswith(allowed, self.at):
            raise json.JSONDecodeError(f"Expecting {' or '.join(map(repr, allowed))}", self.text, self.at)

    def _value(self) -> object:
        """The value that begins here. One that ends where the window does may go on behind it."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - _NEAR
                if not (is_cut and self._more()):
                    raise
            else:
                # "0" is the beginning of "0.5" and of "0e5": a number may be cut where it reads as one.
                is_cut = end == len(self.text) or (self.text[end] in ".eE" and end >= len(self.text) - _NEAR)
                if not (is_cut and self._more()):
                    self.at = end
                    return value
