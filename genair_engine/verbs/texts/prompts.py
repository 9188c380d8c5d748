"""The verbs `prompt-save`, `prompts` and `prompt-render`: prompt templates as stored versions beside the paper's.

A version is a name and a hash of the wording; it is saved once and never changed, so that a text's provenance always names
the very prompt. Templates belong to the workspace, not to a data set. `find_prompt` is how other verbs get one by name.
"""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from genair_engine.archetypes.prompts import PAPER, PARTS, PromptTemplate, check_template
from genair_engine.errors import InputError, NotFoundError
from genair_engine.store.datasets import find_dataset, find_item
from genair_engine.store.prompts import find_template, list_templates
from genair_engine.store.tables import PromptTemplateRow
from genair_engine.verbs.base import Progress, silent
from genair_engine.verbs.texts.prompt_requests import (
    PromptRenderRequest,
    PromptRenderResult,
    PromptSaveRequest,
    PromptSaveResult,
    PromptsRequest,
    PromptsResult,
    SavedPrompt,
)
from genair_engine.workspace import Workspace

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_LIKE_A_VERSION = re.compile(r".*-[0-9a-f]{8}")


def save_prompt(
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


def list_prompts(
    workspace: Workspace,
    request: PromptsRequest,  # noqa: ARG001 - nothing to choose
    progress: Progress = silent,  # noqa: ARG001 - done in a moment
) -> PromptsResult:
    """Every version of every template."""
    with workspace.reading() as session:
        return PromptsResult(prompts=[_saved(PAPER), *(_saved(row) for row in list_templates(session))])


def render_prompt(
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
