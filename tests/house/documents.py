"""The project's documents as the tests read them: files, links, headings, code blocks and the commands in them."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        ROOT / "benchmarks/README.md",
        *ROOT.glob("docs/*.md"),
    ]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[(?:[^\]]*)\]\(([^)\s]+)\)")
CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def prose_of(document: Path) -> str:
    """The text without its code blocks."""
    return FENCE.sub("", text_of(document))


def blocks_of(document: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    return [code for name, code in FENCE.findall(text_of(document)) if name == language]


def links_of(document: Path) -> list[str]:
    """Where its links lead, as written."""
    return LINK.findall(CODE.sub("", prose_of(document)))


def inline_code_of(document: Path) -> list[str]:
    """What stands in backticks, outside of code blocks."""
    return [code for _, code in CODE.findall(prose_of(document))]


def anchors_of(document: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", prose_of(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_of(document: Path) -> list[str]:
    """Its shell commands: the lines of its `sh` blocks without comments, and what stands inline as `genair …` or `make …`."""
    lines = [line for block in blocks_of(document, "sh") for line in block.replace("\\\n", " ").splitlines()]
    inline = [code for code in inline_code_of(document) if re.match(r"(genair|make) [a-z]", code)]
    return [" ".join(command.split()) for command in [*lines, *inline] if command.strip() and not command.startswith("#")]


def engine_commands_of(document: Path) -> Iterator[list[str]]:
    """The arguments of every `genair …` and `… -m genair_engine …` with a verb: `show|log` stands for one command each."""
    for command in commands_of(document):
        start = re.search(r"(?:^genair|-m genair_engine) (?=[a-z])", command)
        if start is None:
            continue
        words = shlex.split(command[start.end() :], comments=True)
        choices = [word.split("|") if re.fullmatch(r"[a-z]+(\|[a-z]+)+", word) else [word] for word in words]
        yield from (list(chosen) for chosen in itertools.product(*choices))
