"""The verbs `prompt-save`, `prompts` and `prompt-render`: prompt templates as stored versions beside the paper's.

A version is a name and a hash of the wording; it is saved once and never changed, so that a text's provenance always names
the very prompt. Templates belong to the workspace, not to a data set. `find_prompt` is how other verbs get one by name.
"""

from __future__ import annotations

import re
from datetime import datetime

from pydantic import Field
from sqlalchemy.orm import Session

from genair_engine.archetypes.prompts import PAPER, PARTS, PromptTemplate, check_template
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store.datasets import find_dataset, find_item
from genair_engine.store.prompts import find_template, list_templates
from genair_engine.store.tables import PromptTemplateRow
from genair_engine.verbs.base import Progress, Record, Request, Result, positional, silent
from genair_engine.workspace import Workspace

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_LIKE_A_VERSION = re.compile(r".*-[0-9a-f]{8}")


class PromptSaveRequest(Request):
    """Save a prompt template as a new version."""

    name: str = positional("name of the template; another wording under the same name is its next version")
    instruction: str = Field(PAPER.instruction, description="what comes first; may have {noun}")
    attribute: str = Field(
        PAPER.attribute,
        description="the sentence for each of the item's attributes: {value}, and {key} and {noun} where wanted",
    )
    question: str = Field(PAPER.question, description="what comes last; may have {noun}")
    noun: str = Field(PAPER.noun, description="what the catalogue calls a thing, for {noun}: item, movie, …")

    def template(self) -> PromptTemplate:
        return PromptTemplate(self.name, self.instruction, self.attribute, self.question, self.noun)


class SavedPrompt(Record):
    """A version of a template. created_at: None for the paper's, which is built in."""

    name: str
    version: str
    instruction: str
    attribute: str
    question: str
    noun: str
    created_at: datetime | None = None


class PromptSaveResult(Result):
    """new: False where the same wording was there under this name."""

    prompt: SavedPrompt
    new: bool

    def lines(self) -> list[str]:
        return [f"{'Saved' if self.new else 'There already:'} prompt {self.prompt.version}."]


class PromptsRequest(Request):
    """List the prompt templates, all versions."""


class PromptsResult(Result):
    """The paper's first, then by name, each with its newest version first."""

    prompts: list[SavedPrompt]

    def lines(self) -> list[str]:
        return [
            line
            for one in self.prompts
            for line in (
                f"{one.version}  {f'saved {one.created_at:%Y-%m-%d %H:%M} UTC' if one.created_at else 'built in'}",
                *(f"  {part}: {getattr(one, part)}" for part in PARTS),
            )
        ]


class PromptRenderRequest(Request):
    """Show the prompt that an item gets; parts that are given replace the saved template's."""

    dataset: str = positional("data set")
    item: str = positional("source id of the item")
    prompt: str = Field(PAPER.name, description="name of a saved template (its newest version), or a version")
    instruction: str | None = Field(None, description="instead of the template's")
    attribute: str | None = Field(None, description="instead of the template's")
    question: str | None = Field(None, description="instead of the template's")
    noun: str | None = Field(None, description="instead of the template's")


class PromptRenderResult(Result):
    """text: the user message; a model's chat template is put around it. version: of the template as it was rendered."""

    dataset: str
    item: str
    version: str
    text: str
    characters: int

    def lines(self) -> list[str]:
        return [self.text]


def prompt_save(
    workspace: Workspace,
    request: PromptSaveRequest,
    progress: Progress = silent,  # noqa: ARG001 - done in a moment
) -> PromptSaveResult:
    """Keep a template. Raises InputError on a name that is taken or no name, and on wording that cannot be rendered."""
    template = request.template()
    if not _NAME.fullmatch(request.name) or _LIKE_A_VERSION.fullmatch(request.name):
        raise InputError(
            f"{request.name!r} cannot name a prompt. Use letters, digits, '.', '_' and '-' (at most 60, starting with a "
            "letter or digit), and not the form of a version (a hash at the end)."
        )
    check_template(template)
    if request.name == PAPER.name and template.version != PAPER.version:
        raise InputError(f"The prompt {PAPER.name!r} is the paper's and stays as it is: save yours under another name.")
    with workspace.session() as session:
        if template.version == PAPER.version:
            return PromptSaveResult(prompt=_saved(PAPER), new=False)
        found = session.get(PromptTemplateRow, template.version)
        row = found or PromptTemplateRow(
            version=template.version,
            name=template.name,
            instruction=template.instruction,
            attribute=template.attribute,
            question=template.question,
            noun=template.noun,
        )
        session.add(row)
    return PromptSaveResult(prompt=_saved(row), new=found is None)


def prompts(
    workspace: Workspace,
    request: PromptsRequest,  # noqa: ARG001 - nothing to choose
    progress: Progress = silent,  # noqa: ARG001 - done in a moment
) -> PromptsResult:
    """Every version of every template."""
    with workspace.reading() as session:
        return PromptsResult(prompts=[_saved(PAPER), *(_saved(row) for row in list_templates(session))])


def prompt_render(
    workspace: Workspace,
    request: PromptRenderRequest,
    progress: Progress = silent,  # noqa: ARG001 - done in a moment
) -> PromptRenderResult:
    """The message for one item. Raises NotFoundError, and InputError where the template cannot be rendered."""
    with workspace.reading() as session:
        owner = find_dataset(session, request.dataset)
        item = find_item(session, owner, request.item)
        saved = find_prompt(session, request.prompt)
    changed = {part: getattr(request, part) for part in PARTS}
    values = {part: getattr(saved, part) if value is None else value for part, value in changed.items()}
    template = PromptTemplate(saved.name, **values)
    check_template(template)
    text = template.render(item.attributes)
    return PromptRenderResult(dataset=owner.name, item=item.item_id, version=template.version, text=text, characters=len(text))


def find_prompt(session: Session, name: str) -> PromptTemplate:
    """The template of that version, or the newest of that name; "paper" is the paper's.

    Raises NotFoundError with the names that there are.
    """
    if name in (PAPER.name, PAPER.version):
        return PAPER
    row = find_template(session, name)
    if row is None:
        known = {PAPER.name, *(one.name for one in list_templates(session))}
        raise NotFoundError("prompt", name, known, "Save one with `prompt-save`.")
    return PromptTemplate(row.name, row.instruction, row.attribute, row.question, row.noun)


def _saved(template: PromptTemplate | PromptTemplateRow) -> SavedPrompt:
    return SavedPrompt.model_validate(template, from_attributes=True)
