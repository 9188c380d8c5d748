"""Parts of representations: of any name and unit; what stands in for a missing text; texts that an encoder cuts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from genair_engine import verbs
from genair_engine.archetypes.parts import Recipe, check_names
from genair_engine.archetypes.prompts import registry
from genair_engine.archetypes.prompts.kind import TextKind, not_storable
from genair_engine.archetypes.prompts.template import PromptTemplate
from genair_engine.archetypes.subjects import subjects
from genair_engine.errors import InputError, ModelError, NotFoundError
from genair_engine.store import artifacts
from genair_engine.store.runs import find_representation
from genair_engine.verbs.representations import catalogue_states as states
from genair_engine.verbs.representations.stored import load_part, load_representation
from tests.verbs_workspaces import SHORT

DESCRIPTION = TextKind(
    name="description",
    unit="user",
    purpose="what a user is after",
    template=PromptTemplate("description", "Describe this {noun}:", "They chose {value}.", "What are they after?", "user"),
    check=lambda text: not_storable(text) or ("is about nobody" if "nobody" in text else None),
)


@pytest.fixture
def descriptions(monkeypatch):
    monkeypatch.setitem(registry.TEXT_KINDS, DESCRIPTION.name, DESCRIPTION)


class Letters:
    """Counts letters; reads the first 200 characters."""

    def encode(self, texts, names=()):
        return np.array([[text[:200].lower().count(letter) for letter in "aeioust"] for text in texts], dtype=np.float32)

    def count_cut(self, texts):
        return sum(len(text) > 200 for text in texts)


@pytest.fixture
def letters(monkeypatch):
    monkeypatch.setattr(states, "load_encoder", lambda folder: Letters())


def generate(workspace, **options):
    options = {"model": "tiny-llama", "sampling": SHORT, "device": "cpu"} | options
    return verbs.generate(workspace, verbs.GenerateRequest(dataset="shop", **options))


def represent(workspace, model="minilm", **options):
    return verbs.represent(workspace, verbs.RepresentRequest(dataset="shop", model=model, **options))


def row_of(workspace, name):
    with workspace.reading() as session:
        return find_representation(session, workspace.dataset_row("shop"), name)


def test_texts_about_users_become_a_part_of_their_own(imported, descriptions, letters, tiny):
    written = generate(imported, kind="description")
    assert (written.kind, written.of, written.written) == ("description", 10, 10)
    assert "10 of 10 users" in written.lines()[0] and written.prompt_version == DESCRIPTION.template.version
    assert verbs.workspace_state(imported).datasets[0].archetype_sets == []  # they are no archetypes
    request = {"archetypes": generate(imported).archetypes, "text": {"user:taste": written.archetypes}, "variance": 1.0}
    built = represent(imported, **request)
    assert list(built.dims) == ["prefill", "decoding"] and list(built.others) == ["user:taste"]
    row = row_of(imported, built.representation)
    assert [(part["name"], part["unit"], part["reads"]) for part in row.parts] == [
        ("prefill", "item", "metadata"),
        ("decoding", "item", "text"),
        ("user:taste", "user", "text"),
    ]
    assert load_part(imported, row, "user:taste").shape == (10, built.others["user:taste"])
    assert load_part(imported, row, "decoding").shape == (12, built.dims["decoding"])
    assert load_representation(imported, row).vectors.shape == (12, sum(built.dims.values()))
    with pytest.raises(NotFoundError, match="taste"):
        load_part(imported, row, "taste")
    run = verbs.train(
        imported,
        verbs.TrainRequest(dataset="shop", representation=built.representation, dim=8, layers=1, epochs=1, device="cpu"),
    )
    assert run.state == "done"


def test_what_a_prompt_tells_of_users_is_trained_on(tiny):
    users, sessions = subjects(tiny, "user"), subjects(tiny, "session")
    assert users.ids == list(tiny.user_ids) and users.labels[0] == "user 'ann'" and sessions.labels[0] == "session of 'ann'"
    assert users.attributes[0] == {"choice 1": "Digital Multimeter", "choice 2": "Soldering Iron"}  # not the two held out
    assert DESCRIPTION.template.render(users.attributes[0]) == (
        "Describe this user: They chose Digital Multimeter. They chose Soldering Iron. What are they after?"
    )


def test_an_answer_that_fails_its_check_is_a_failed_item(imported, descriptions):
    texts = {user: "Somebody who solders." for user in ("ann", "bob")} | {"cem": "It is about nobody."}
    with pytest.raises(InputError, match="the text of user 'cem' is about nobody"):
        verbs.embed(
            imported, verbs.EmbedRequest(dataset="shop", model="tiny-llama", kind="description", text=texts, device="cpu")
        )
    with pytest.raises(NotFoundError, match=r"no kind of text 'descripton'.*Did you mean description"):
        generate(imported, kind="descripton")


def test_a_model_that_says_nothing_has_written_nothing(imported, monkeypatch):
    from genair_engine.archetypes.transformers_backend import TransformersModel

    monkeypatch.setattr(TransformersModel, "_text", lambda self, tokens: "")
    with pytest.raises(ModelError, match=r"wrote none of the 2 texts\. The first: The archetype of item 'b01'.*is empty"):
        generate(imported, limit=2)


def test_metadata_may_stand_in_for_a_text(imported, letters):
    held = generate(imported, limit=10).archetypes
    with pytest.raises(InputError, match=r"for 10 of the 12 items.*item 'b11'.*--missing metadata"):
        represent(imported, archetypes=held)
    built = represent(imported, archetypes=held, missing="metadata", variance=1.0)
    assert built.missing == {"decoding": 2} and built.instead == "metadata"
    assert "  decoding: 2 have no text; their metadata was read instead." in built.lines()
    row = row_of(imported, built.representation)
    assert row.provenance["without_text"] == {"instead": "metadata", "parts": {"decoding": ["b11", "b12"]}}
    again = states.catalogue_states(imported, imported.dataset_row("shop"), row)
    np.testing.assert_array_equal(again["decoding"][10:], again["prefill"][10:])
    assert not np.array_equal(again["decoding"][0], again["prefill"][0])


def test_the_mean_may_stand_in_for_states(imported):
    generate(imported, limit=10)
    built = represent(imported, "tiny-llama", missing="mean", components=3)
    vectors = load_representation(imported, row_of(imported, built.representation)).vectors
    np.testing.assert_allclose(vectors[10:], 0, atol=1e-4)  # the mean of all that have a text
    assert built.missing == {"prefill": 2, "decoding": 2} and built.instead == "mean"


def test_a_language_model_reads_metadata_as_its_answer(imported):
    full = represent(imported, "tiny-llama", archetypes=generate(imported, seed=1).archetypes)
    generate(imported, limit=10)
    built = represent(imported, "tiny-llama", archetypes=generate(imported, limit=10).archetypes, missing="metadata")
    owner = imported.dataset_row("shop")
    whole, part = (states.catalogue_states(imported, owner, row_of(imported, of.representation)) for of in (full, built))
    np.testing.assert_allclose(part["prefill"], whole["prefill"], atol=1e-4)  # the prompt is the same
    assert np.abs(part["decoding"][10:] - whole["decoding"][10:]).max() > 1e-3


def test_texts_that_are_cut_are_counted(imported, letters):
    long = {f"b{k:02d}": "An electrician. " * (20 if k < 4 else 1 + k) for k in range(1, 13)}
    request = verbs.EmbedRequest(dataset="shop", model="tiny-llama", text=long, device="cpu")
    built = represent(imported, archetypes=verbs.embed(imported, request).archetypes, variance=1.0)
    expected = Counter(len(text.strip()) > 200 for text in long.values())[True]
    assert built.cut["decoding"] == expected >= 3
    assert f"  decoding: {expected} texts are longer than minilm reads: the rest was cut off." in built.lines()


@pytest.mark.parametrize("names", [["Prefill"], ["a b"], ["vectors"], ["x", "x"], [""]])
def test_names_of_parts(names):
    with pytest.raises(InputError, match="part"):
        check_names(names)
    check_names([Recipe("signal:scenario", "text").name, "persona"])


def test_a_part_has_the_name_that_it_is_given(imported, letters):
    set_ = generate(imported).archetypes
    built = represent(imported, archetypes=set_, text={"signal:use": set_}, variance=1.0)
    assert list(built.dims) == ["prefill", "decoding", "signal:use"]
    spaces = {space.space for space in verbs.spaces(imported, "shop")}
    assert f"{built.representation}:signal:use" in spaces
    arrays = artifacts.load_arrays(
        imported.path(row_of(imported, built.representation).folder + "/representation.safetensors")
    )
    assert "signal:use.mean" in arrays
