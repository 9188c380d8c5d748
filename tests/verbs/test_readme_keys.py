"""README's table of JSON keys names exactly the fields of the results."""

import re
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

from genair_engine.cli import commands

README = Path(__file__).resolve().parents[2] / "README.md"
ROW = re.compile(r"^\| ((?:`[a-z-]+`(?:, )?)+) \| (.*) \|$", re.MULTILINE)
TABLE = README.read_text().split("| verb | keys |")[1].split("###")[0]
DOCUMENTED = {verb: keys for verbs, keys in ROW.findall(TABLE) for verb in re.findall("[a-z-]+", verbs)}


def parsed(keys):
    """{key: names of its own keys, if they are said}. What stands outside of backticks is a remark."""
    text = "".join(re.findall("`([^`]*)`", re.sub(r"\([^)]*\)", "", keys)))
    return {
        name: set(inner.split(",")) if inner else set()
        for name, inner in re.findall(r"(?:^|, )(\w+)(?:\[\])?(?:\.\{([^}]*)\})?(?:\.[^ ]*)?(?=, |$)", text)
    }


def record_of(annotation):
    """The record in a field's type, as in list[Record] or Record | None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(record_of, typing.get_args(annotation))), None)


def test_every_verb_is_there():
    assert DOCUMENTED.keys() == commands().keys()


@pytest.mark.parametrize("verb", commands())
def test_keys_are_the_fields_of_the_result(verb):
    result = commands()[verb].result
    keys, said = parsed(DOCUMENTED[verb]), {}
    assert keys.keys() == result.model_fields.keys()
    for name, inner in keys.items():
        record = record_of(result.model_fields[name].annotation)
        if record is not None:
            said.setdefault(record, set()).update(inner)
    assert said == {record: set(record.model_fields) for record in said}
