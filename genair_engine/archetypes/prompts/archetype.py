"""Archetypes: the types of users that an item would appeal to (GenAIR's Table 1; methods.md 3.1).

The template is the paper's. Any answer that can be kept and read is an archetype: the paper checks none.
"""

from __future__ import annotations

from genair_engine.archetypes.prompts.kind import TextKind, not_storable
from genair_engine.archetypes.prompts.template import ATTRIBUTE_SENTENCE, PromptTemplate

PAPER = PromptTemplate(
    name="paper",
    instruction=(
        "You are a helpful recommendation expert. Based on the following attributes, identify the types of users this "
        "{noun} would appeal to:"
    ),
    attribute=ATTRIBUTE_SENTENCE,
    question="What potential users align best with this {noun}?",
)

KIND = TextKind(
    name="archetype",
    unit="item",
    purpose="the types of users that an item would appeal to",
    template=PAPER,
    check=not_storable,
)
