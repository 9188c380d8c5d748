"""The verbs `prompt-save`, `prompts` and `prompt-render`: prompt templates as stored versions beside the paper's.

A version is a name and a hash of the wording; it is saved once and never changed, so that a text's provenance always names
the very prompt. Templates belong to the workspace, not to a data set. `find_prompt` is how other verbs get one by name.
"""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.archetypes.prompts.kind import TextKind
from genair_engine.archetypes.prompts.registry import TEXT_KINDS
from genair_engine.archetypes.prompts.template import FIELDS, PromptTemplate, check_template
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
    built_in = built_in_prompts().get(request.name)
    if built_in is not None:
        if template.version != built_in.version:
            owner = "the paper's" if built_in == PAPER else "built in"
            raise InputError(f"The prompt {request.name!r} is {owner} and stays as it is: save yours under another name.")
        return PromptSaveResult(prompt=_saved(built_in), new=False)
    with workspace.session() as session:
        earlier = session.get(PromptTemplateRow, template.version)
        row = earlier or PromptTemplateRow(
            version=template.version,
            name=template.name,
            instruction=template.instruction,
            attribute=template.attribute,
            question=template.question,
            noun=template.noun,
        )
        session.add(row)
    return PromptSaveResult(prompt=_saved(row), new=earlier is None)


def list_prompts(
    workspace: Workspace,
    request: PromptsRequest,  # noqa: ARG001 - nothing to choose
    progress: Progress = silent,  # noqa: ARG001 - done in a moment
) -> PromptsResult:
    """Every version of every template."""
    with workspace.reading() as session:
        saved = [_saved(row) for row in list_templates(session)]
    return PromptsResult(prompts=[*(_saved(template) for template in built_in_prompts().values()), *saved])


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
    changed = {field: getattr(request, field) for field in FIELDS}
    values = {field: getattr(saved, field) if value is None else value for field, value in changed.items()}
    template = PromptTemplate(saved.name, **values)
    check_template(template)
    text = template.render(item.attributes)
    return PromptRenderResult(dataset=owner.name, item=item.item_id, version=template.version, text=text, characters=len(text))


def built_in_prompts() -> dict[str, PromptTemplate]:
    """The kinds' own templates by name, the paper's first."""
    return {kind.template.name: kind.template for kind in TEXT_KINDS.values()}


def prompt_of(session: Session, kind: TextKind, name: str | None) -> PromptTemplate:
    """The template of that name or version; without one, the kind's own. Raises NotFoundError."""
    return kind.template if name is None else find_prompt(session, name)


def find_prompt(session: Session, name: str) -> PromptTemplate:
    """The template of that version, or the newest of that name; "paper" is the paper's.

    Raises NotFoundError with the names that there are.
    """
    built_in = built_in_prompts()
    for template in built_in.values():
        if name in (template.name, template.version):
            return template
    row = find_template(session, name)
    if row is None:
        known = {*built_in, *(saved.name for saved in list_templates(session))}
        raise NotFoundError("prompt", name, known, "Save one with `prompt-save`.")
    return PromptTemplate(row.name, row.instruction, row.attribute, row.question, row.noun)


def _saved(template: PromptTemplate | PromptTemplateRow) -> SavedPrompt:
    return SavedPrompt.model_validate(template, from_attributes=True)
