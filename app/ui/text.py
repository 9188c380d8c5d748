"""Text that is safe to show. What a catalogue or a language model wrote is never Markdown or HTML.

`st.text`, selectbox options and table cells show text as it is. Labels, headings, messages and help are Markdown: text
of foreign origin goes through `plain` first.
"""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_FOUND_AFTER_PARSING = re.compile(r"(?<=:)(?=\S)|(?<=@)|(?<=www)(?=\.)|(?<=[-<>=~])(?=[-<>=~])", re.IGNORECASE)
_WORD_JOINER = "\u2060"  # no width, no line break


def plain(text: str) -> str:
    r"""Markdown that shows exactly this text on one line: no emphasis, link, image, formula, colour, icon or HTML.

    Backslashes stop Markdown's own syntax. Links, emoji shortcodes and arrows are found after parsing, when backslashes
    are gone; an invisible word joiner keeps just those patterns from matching.
    """
    return _PUNCTUATION.sub(r"\\\1", _FOUND_AFTER_PARSING.sub(_WORD_JOINER, " ".join(text.split())))


def tagless(text: str) -> str:
    """Text that Plotly shows as it is: it reads some HTML tags, and `%{…}` in templates."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {")


def one_line(text: str, length: int = 90) -> str:
    """The text on one line, cut at a word after at most `length` characters."""
    flat = " ".join(text.split())
    if len(flat) <= length:
        return flat
    head, _, _ = flat[:length].rpartition(" ")
    return f"{head or flat[: length - 1]}…"


def title_of(title: str, item: str) -> str:
    """An item's title, or its id where it has none."""
    return title.strip() or f"Item {item}"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """1 item, 1,682 items."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def is_demo(model: str) -> bool:
    """Whether a language model is one of the tiny ones that come with the project."""
    return model.startswith("demo-")
