"""Which prompt templates can be rendered, and what is said about the others."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genair_engine.archetypes.prompts.archetype import PAPER
from genair_engine.archetypes.prompts.template import PromptTemplate, check_template
from genair_engine.errors import InputError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attribute": "The item has attributes."}, "attribute sentence lacks the placeholder {value}"),
        (
            {"attribute": "{value} of {brand}"},
            r"attribute has the placeholder {brand}, which is not known.*{key} and {noun} and",
        ),
        ({"instruction": "About {value}"}, "instruction has the placeholder {value}"),
        ({"question": "Who, {0}?"}, "question has the placeholder {0}"),
        ({"question": "Who, {}?"}, "question has the placeholder {}"),
        ({"attribute": "{value.__class__}"}, "placeholder {value.__class__}"),
        ({"attribute": "{value:>99999999}"}, "placeholder {value:>99999999}"),
        ({"attribute": "{value!r}"}, "placeholder {value!r}"),
        ({"instruction": "One { brace"}, "instruction has a brace without its partner"),
        ({"question": "One } brace"}, "question has a brace without its partner"),
        ({"instruction": " ", "question": ""}, "both empty"),
        ({"instruction": "x" * 20_001}, "more than 20,000 characters"),
        ({"noun": ""}, "noun"),
        ({"question": "a\0b"}, "NUL"),
    ],
)
def test_templates_that_cannot_be_used(change, message):
    with pytest.raises(InputError, match=message.replace("{", r"\{").replace("}", r"\}")):
        check_template(replace(PAPER, **change))


def test_usable_templates():
    check_template(PAPER)
    bare = PromptTemplate("bare", "", "{value}", "Who wants this {noun}? Answer as {{json}}.", "film")
    check_template(bare)
    assert bare.render({"title": "A {weird} title"}) == " A {weird} title Who wants this film? Answer as {json}."


PIECES = st.lists(st.sampled_from(["{", "}", "{{", "}}", "{noun}", "{key}", "{value}", "word ", "!r", ":>9", "[0]", ".a"]))


@given(PIECES.map("".join), PIECES.map("".join))
def test_what_is_accepted_can_be_rendered(instruction, attribute):
    template = PromptTemplate("any", instruction, attribute, "Who?")
    try:
        check_template(template)
    except InputError:
        return
    assert "Hat" in template.render({"title": "Hat"})
