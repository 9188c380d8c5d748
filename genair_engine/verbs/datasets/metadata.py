"""An item's metadata as somebody pastes or types it: read, checked, and refused where it is absurd."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.archetypes.prompts.template import attribute_sentences
from genair_engine.catalog.readers.text_table import metadata_text
from genair_engine.errors import InputError

MOST_CHARACTERS = 20_000
MOST_FIELDS = 200
LONGEST_NAME = 100
"""Characters of an item's metadata in all, its fields, and characters of a field's name."""
_FIELD = re.compile(r"[^\W\d_][\w /-]{0,39}")


def read_metadata(text: str) -> dict[str, str]:
    """The fields of pasted metadata: a JSON object, or lines "field: value" (a line without a field goes on with the last
    one).

    A first line without a field is the title. Raises InputError where it is empty, too long, or no item.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"This is {len(text):,} characters: an item's metadata has at most {MOST_CHARACTERS:,}. Paste one item."
        )
    text = text.strip()
    if not text.startswith(("{", "[")):
        return clean_attributes(_from_lines(text))
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else error
        raise InputError(f"This is not valid JSON ({where}). Correct it, or give lines of the form field: value.") from None
    if not isinstance(data, dict):
        raise InputError('One item is wanted, as a JSON object such as {"title": "…", "brand": "…"}.')
    try:
        return clean_attributes({metadata_text(key): metadata_text(value) for key, value in data.items()})
    except RecursionError:
        raise InputError("The lists in this JSON hold lists too many times over: give fields with simple values.") from None


def clean_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """The fields that have a value, trimmed. Raises InputError where they are too many, too long, or say nothing."""
    characters = sum(len(key) + len(value) for key, value in attributes.items())
    if characters > MOST_CHARACTERS or len(attributes) > MOST_FIELDS:
        raise InputError(
            f"The metadata has {len(attributes):,} fields and {characters:,} characters: at most {MOST_FIELDS} fields and "
            f"{MOST_CHARACTERS:,} characters make one item."
        )
    cleaned = {metadata_text(key).strip(): metadata_text(value).strip() for key, value in attributes.items()}
    cleaned = {key: value for key, value in cleaned.items() if key and value}
    if long := next((key for key in cleaned if len(key) > LONGEST_NAME), None):
        raise InputError(f"A field's name has at most {LONGEST_NAME} characters, not {len(long):,} ({long[:40]}…).")
    if not attribute_sentences(cleaned, PAPER.attribute, PAPER.noun):
        raise InputError(
            "The metadata is empty: give at least one field that says what the item is, such as title: Digital multimeter "
            "(ids and images say nothing)."
        )
    return cleaned


def _from_lines(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    last = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        field, separator, value = line.partition(":")
        if separator and _FIELD.fullmatch(field.strip()) and len(field.split()) <= 3 and not value.startswith("//"):
            last = field.strip()
            fields[last] = value.strip()
        elif last:
            fields[last] = f"{fields[last]} {line}".strip()
        else:
            last = "title"
            fields[last] = line
    return fields
