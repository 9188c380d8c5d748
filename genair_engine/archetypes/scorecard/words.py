"""Words with their places, and the few things about English that the scorecard knows: plurals, function words, list
numbers.

Everything else that counts as an attribute is learned from the catalogue (`vocabulary`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’\-‑][^\W_]+)*")
_LIST_NUMBER = re.compile(r"(?:^|(?<=\s))(\d{1,2})[.)](?=[\s*_])")
_AT_LINE_START = re.compile(r"^[\s*_#]*(\d{1,2})[.)](?=[\s*_])", re.MULTILINE)


@dataclass(frozen=True)
class Word:
    """A word where it stands: text[start:end]. stem: casefolded, in the singular."""

    start: int
    end: int
    text: str
    stem: str


def words_of(text: str) -> list[Word]:
    """The words of a text in order; "wide-brim" is one word, whose parts `parts` tells."""
    return [Word(match.start(), match.end(), match[0], stem(match[0])) for match in _WORD.finditer(text)]


def raw_words(text: str) -> list[str]:
    """The words of a text as they are written."""
    return _WORD.findall(text)


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """A word casefolded and in the singular, by English spelling: "Batteries" → "battery", "dresses" → "dress"."""
    folded = word.casefold().replace("’", "'").replace("‑", "-").removesuffix("'s").removesuffix("'")
    if len(folded) <= 3:
        return folded
    if folded.endswith("ies"):
        return folded[:-3] + "y" if len(folded) > 4 else folded[:-1]
    if folded.endswith(("sses", "ches", "shes", "xes")):
        return folded[:-2]
    if folded.endswith("s") and not folded.endswith(("ss", "us", "is")):
        return folded[:-1]
    return folded


def parts(stemmed: str) -> list[str]:
    """The parts of a hyphenated stem."""
    return stemmed.split("-")


def list_numbers(text: str) -> list[tuple[int, int]]:
    """Where the numbers of the text's lists stand: those that begin a line, and 1., 2., 3., … of a list in one line."""
    counting: list[tuple[int, int]] = []
    for match in _LIST_NUMBER.finditer(text):
        if int(match[1]) == len(counting) + 1:
            counting.append(match.span(1))
    return sorted({*counting, *(match.span(1) for match in _AT_LINE_START.finditer(text))})


_FUNCTION_WORDS = """
a about after all also although an and any are as at be because been before being both but by can could do
does during each either every for from had has have he her here his how however i if in into is it its just
like make may might more most much must my nor not of on only or other our out over own rather she should
since so some such than that the their them then there these they this those though through to too under until
up upon very was we well were what when where whether which while who whose why will with within without would
yet you your makes made make offers offer provides provide ensures keeps gives allows helps feels used using
"""
FUNCTION_WORDS = frozenset(stem(word) for word in _FUNCTION_WORDS.split())
"""Words that no attribute begins or ends with: determiners, prepositions, conjunctions, pronouns and a few verbs."""
