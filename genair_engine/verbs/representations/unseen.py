"""Texts and states of what is not in the catalogue: a new item, or an audience in somebody's words.

A representation's states came from one model and, for archetypes, one way of asking it. What is new is read in exactly that
way, so that the stored PCA bases say where it lies: the same weights, prompt and sampling, a seed made of the item's id. Where
a server or a person wrote the texts, the states are those of the model that read them (`states_by`), and so are new ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from genair_engine.archetypes.backends import Completion, Sampling
from genair_engine.archetypes.parts import OF_TEXTS, Part, parts_of
from genair_engine.catalog.readers.meanings import FIELD_ALIASES
from genair_engine.errors import InputError
from genair_engine.store.tables import RepresentationRow, TextSetRow
from genair_engine.types import States
from genair_engine.verbs.representations.catalogue_states import UNKNOWN, metadata_text, require_revision
from genair_engine.verbs.representations.stored import is_read_by_encoder
from genair_engine.verbs.texts.ready_models import Models
from genair_engine.verbs.texts.text_set import template_of
from genair_engine.verbs.texts.writing import seed_of


def write_archetype(models: Models, archetypes: TextSetRow, attributes: dict[str, str], item: str) -> Completion:
    """The archetype of an item as the set's model would have written it: same prompt, sampling and way to its seed.

    For an item of the catalogue, under its id, that is its text in the set (up to rounding, `archetypes.sampling`; a server
    may answer otherwise). Raises ModelError, NonFiniteError, and InputError where people wrote the set.
    """
    sampling = Sampling(**{key: value for key, value in archetypes.sampling.items() if key in Sampling.model_fields})
    prompt, seed = template_of(archetypes).render(attributes), seed_of(archetypes.seed, item)
    with models.lock:
        model = models.writer_of(archetypes)
        return model.generate([prompt], [seed], sampling, names=[f"item {item!r}"])[0]


def read_item(
    models: Models,
    representation: RepresentationRow,
    archetypes: TextSetRow | None,
    attributes: dict[str, str],
    archetype: Completion | str,
    item: str,
) -> States:
    """The states of an item in a representation's space, part -> [1, d].

    archetypes: the set behind the representation, if there is one. archetype: the item's, with the states that it was written
    with, or a text from elsewhere, which the language model then reads. Raises InputError, also where a part is of something
    that a new item does not have (another text, an array), ModelError, NonFiniteError.
    """
    require_revision(representation, models.folder(representation.model))
    text = archetype if isinstance(archetype, str) else archetype.text
    if not is_read_by_encoder(representation) and isinstance(archetype, Completion):
        states = {"prompt": archetype.prefill[None], "answer": archetype.decoding[None]}
        return {part.name: states[part.reads] for part in _readable(representation)}
    if not is_read_by_encoder(representation):
        assert archetypes is not None  # states are of a set
        return read_texts(models, representation, archetypes, [text], attributes, f"item {item!r}")
    texts = {"metadata": metadata_text(attributes), "text": text, "title": title_of(attributes) or UNKNOWN}
    with models.lock:
        encoder = models.encoder(representation.model)
        return {part.name: encoder.encode([texts[part.reads]], names=[f"item {item!r}"]) for part in _readable(representation)}


def _readable(representation: RepresentationRow) -> list[Part]:
    """The parts of the items. Raises InputError where one is of something that only the catalogue's items have."""
    parts = [part for part in parts_of(representation.parts) if part.unit == "item"]
    for part in parts:
        if part.reads == "array" or (part.reads in OF_TEXTS and part.text_set != representation.text_set_id):
            raise InputError(
                f"Part {part.name!r} of representation {representation.id} is of something that a new item does not have: use "
                "a run that was trained on a representation without it."
            )
    return parts


def read_texts(
    models: Models,
    representation: RepresentationRow,
    archetypes: TextSetRow,
    texts: Sequence[str],
    attributes: dict[str, str],
    name: str,
) -> States:
    """The states of n texts read as a representation's archetypes were, part -> [n, d], for the parts that a text decides.

    An encoder reads them alone; a language model as its answers to the prompt of these attributes, so that its states over the
    prompt are there too. name: what errors call them. Raises InputError, ModelError, NonFiniteError.
    """
    names = [name] * len(texts)
    parts = [part for part in parts_of(representation.parts) if part.text_set == archetypes.id and part.unit == "item"]
    if is_read_by_encoder(representation):
        with models.lock:
            vectors = models.encoder(representation.model).encode(texts, names=names)
        return {part.name: vectors for part in parts}
    prompt = template_of(archetypes).render(attributes)
    with models.lock:
        model = models.language_model(representation.model)
        prefill, decoding = model.embed([prompt] * len(texts), texts, names=names)
    return {part.name: prefill if part.reads == "prompt" else decoding for part in parts}


def title_of(attributes: dict[str, str]) -> str:
    """The value that readers take for an item's title, "" where there is none."""
    lowered = {key.lower(): value for key, value in reversed(list(attributes.items()))}
    return next((lowered[alias] for alias in FIELD_ALIASES["title"] if alias in lowered), "")
