"""Templates of prompts: from what is known of an item, a user or a session to the message that asks a language model.

Attribute values are prepared as in the public code (methods.md 3.1): identifiers, image links and co-purchase lists are left
out, line breaks become spaces, every value is cut to 100 characters. Unlike the code, values are cut after trimming, and
attributes that an item lacks are left out of its prompt.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass

from genair_engine.errors import InputError

MAX_VALUE_CHARACTERS = 100
ATTRIBUTE_SENTENCE = "The {noun} {key} is {value}."
"""The paper's sentence for each attribute."""
LONGEST_TEMPLATE = 20_000
"""Characters of one field of a template."""
PLACEHOLDERS = {
    "instruction": frozenset({"noun"}),
    "attribute": frozenset({"noun", "key", "value"}),
    "question": frozenset({"noun"}),
}
"""What each field of a template may hold in braces; the attribute sentence must hold {value}."""
FIELDS = (*PLACEHOLDERS, "noun")
"""What a template is made of, beside its name."""
SKIPPED_ATTRIBUTES = frozenset(
    {"fit", "also_buy", "also_view", "similar_item", "imageurl", "imageurlhighres", "image", "images", "asin", "item_id"}
)
_NAMES = {"title": "name", "movie_title": "name", "class": "genre", "release_year": "date"}


@dataclass(frozen=True)
class PromptTemplate:
    """A versioned prompt: `instruction`, one `attribute` sentence for each attribute, `question`.

    `noun` is what the catalogue calls an item ("item", "movie", …).
    """

    name: str
    instruction: str
    attribute: str
    question: str
    noun: str = "item"

    @property
    def version(self) -> str:
        """Name and a hash of the wording: texts of two prompts can never be confused."""
        wording = "\x1f".join((self.instruction, self.attribute, self.question, self.noun))
        return f"{self.name}-{hashlib.sha256(wording.encode()).hexdigest()[:8]}"

    def render(self, attributes: Mapping[str, str]) -> str:
        """The user message about what has these attributes; an item without any is an "unknown item"."""
        sentences = attribute_sentences(attributes, self.attribute, self.noun)
        sentences = sentences or [self.attribute.format(noun=self.noun, key="name", value=f"unknown {self.noun}")]
        return " ".join((self.instruction.format(noun=self.noun), *sentences, self.question.format(noun=self.noun)))


def check_template(template: PromptTemplate) -> None:
    """Raises InputError that names the field where a template cannot be rendered, or would tell nothing of the item."""
    for field, allowed in PLACEHOLDERS.items():
        wording = getattr(template, field)
        if len(wording) > LONGEST_TEMPLATE or "\0" in wording:
            raise InputError(f"The {field} holds a NUL or more than {LONGEST_TEMPLATE:,} characters.")
        for name in _placeholders(field, wording):
            if name not in allowed:
                known = " and ".join(f"{{{placeholder}}}" for placeholder in sorted(allowed))
                raise InputError(
                    f"The {field} has the placeholder {{{name}}}, which is not known: it may have {known}. Write {{{{ and "
                    "}} for braces that are text."
                )
    if "value" not in _placeholders("attribute", template.attribute):
        raise InputError(
            "The attribute sentence lacks the placeholder {value}: without it the model learns nothing about the item. "
            f"The paper's is {ATTRIBUTE_SENTENCE!r}."
        )
    if not (template.instruction.strip() or template.question.strip()):
        raise InputError("Instruction and question are both empty: nothing is asked of the model.")
    if not template.noun.strip() or len(template.noun) > MAX_VALUE_CHARACTERS or "\0" in template.noun:
        raise InputError(f"The noun says what the catalogue calls an item: give it 1 to {MAX_VALUE_CHARACTERS} characters.")


def _placeholders(field: str, wording: str) -> list[str]:
    """The placeholders of a field as they are written, with what follows the name: none but plain names are allowed."""
    try:
        fields = list(string.Formatter().parse(wording))
    except ValueError as error:
        raise InputError(
            f"The {field} has a brace without its partner ({error}). Write {{{{ and }}}} for braces that are text."
        ) from None
    return [
        name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
        for _, name, spec, conversion in fields
        if name is not None
    ]


def attribute_sentences(attributes: Mapping[str, str], template: str, noun: str) -> list[str]:
    """One sentence for each attribute that is present, in the item's own order (the encoder's "metadata text" too)."""
    return [
        template.format(noun=noun, key=_NAMES.get(key, key).replace("_", " "), value=clean_value(value))
        for key, value in attributes.items()
        if key.lower() not in SKIPPED_ATTRIBUTES and clean_value(value)
    ]


def clean_value(value: str) -> str:
    """A value on one line, ";" as ".", at most 100 characters, without a closing full stop."""
    line = re.sub(r"\s+", " ", value.replace(";", ".")).strip()
    return line[:MAX_VALUE_CHARACTERS].strip().rstrip(".").rstrip()
