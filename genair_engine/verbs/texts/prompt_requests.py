"""What `prompts`, `prompt-save` and `prompt-render` are asked and answer."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.archetypes.prompts.template import FIELDS, PromptTemplate
from genair_engine.verbs.base import Record, Request, Result, Verb, positional


class PromptSaveRequest(Request):
    """Save a prompt template as a new version."""

    name: str = positional("name of the template; another wording under the same name is its next version")
    instruction: str = Field(PAPER.instruction, description="what comes first; may have {noun}")
    attribute: str = Field(
        PAPER.attribute,
        description="the sentence for each of the item's attributes: {value}, and {key} and {noun} where wanted",
    )
    question: str = Field(PAPER.question, description="what comes last; may have {noun}")
    noun: str = Field(PAPER.noun, description="what the catalogue calls an item, for {noun}: item, movie, …")

    def template(self) -> PromptTemplate:
        return PromptTemplate(self.name, self.instruction, self.attribute, self.question, self.noun)


class SavedPrompt(Record):
    """A version of a template. created_at: None for the kinds' own, which are built in."""

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
    """Those of the kinds of text first, the paper's before all, then by name, each with its newest version first."""

    prompts: list[SavedPrompt]

    def lines(self) -> list[str]:
        return [
            line
            for prompt in self.prompts
            for line in (
                f"{prompt.version}  {f'saved {prompt.created_at:%Y-%m-%d %H:%M} UTC' if prompt.created_at else 'built in'}",
                *(f"  {field}: {getattr(prompt, field)}" for field in FIELDS),
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


PROMPTS = Verb("prompts", PromptsRequest, PromptsResult, run="genair_engine.verbs.texts.prompts:list_prompts")
PROMPT_SAVE = Verb(
    "prompt-save",
    PromptSaveRequest,
    PromptSaveResult,
    run="genair_engine.verbs.texts.prompts:save_prompt",
    role="write",
    audited=True,
)
PROMPT_RENDER = Verb(
    "prompt-render", PromptRenderRequest, PromptRenderResult, run="genair_engine.verbs.texts.prompts:render_prompt"
)
