"""Texts and states of what is not in the catalogue: a new item, or an audience in somebody's words.

A representation's states came from one model and, for archetypes, one way of asking it. What is new is read in exactly that
way, so that the stored PCA bases say where it lies: the same weights, prompt and sampling, a seed made of the item's id. Where
a server or a person wrote the texts, the states are those of the model that read them (`states_by`), and so are new ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from genair_engine.archetypes.backends import Completion, Sampling
from genair_engine.archetypes.prompts import PromptTemplate
from genair_engine.catalog.readers.meanings import FIELD_ALIASES
from genair_engine.errors import InputError
from genair_engine.store.archetypes import states_by
from genair_engine.store.tables import ArchetypeSetRow, RepresentationRow
from genair_engine.types import States
from genair_engine.verbs.representations.catalogue_states import UNKNOWN, metadata_text, require_revision
from genair_engine.verbs.texts.ready_models import Models
from genair_engine.verbs.texts.writing import item_seed


def template_of(archetypes: ArchetypeSetRow) -> PromptTemplate:
    """The prompt that a set was written with. Raises InputError where its wording was not kept whole."""
    name = archetypes.prompt_version.rpartition("-")[0]
    try:
        template = PromptTemplate(name=name, **archetypes.prompt)
    except TypeError:
        template = None
    if template is None or template.version != archetypes.prompt_version:
        raise InputError(
            f"The prompt {archetypes.prompt_version} of archetype set {archetypes.id} cannot be made again by this version: "
            "generate archetypes with a prompt that it knows."
        )
    return template


def write_archetype(models: Models, archetypes: ArchetypeSetRow, attributes: dict[str, str], item: str) -> Completion:
    """The archetype of an item as the set's model would have written it: same prompt, sampling and way to its seed.

    For an item of the catalogue, under its id, that is its text in the set (up to rounding, `archetypes.sampling`; a server
    may answer otherwise). Raises ModelError, NonFiniteError, and InputError where people wrote the set.
    """
    sampling = Sampling(**{key: value for key, value in archetypes.sampling.items() if key in Sampling.model_fields})
    prompt, seed = template_of(archetypes).render(attributes), item_seed(archetypes.seed, item)
    with models.lock:
        model = models.writer_of(archetypes)
        return model.generate([prompt], [seed], sampling, names=[f"item {item!r}"])[0]


def is_read_by_encoder(representation: RepresentationRow, archetypes: ArchetypeSetRow | None) -> bool:
    """Whether an encoder embedded the texts, rather than that the set's own states were taken."""
    return archetypes is None or states_by(archetypes)[0] != representation.model


def read_item(
    models: Models,
    representation: RepresentationRow,
    archetypes: ArchetypeSetRow | None,
    attributes: dict[str, str],
    archetype: Completion | str,
    item: str,
) -> States:
    """The states of an item in a representation's space, part -> [1, d].

    archetypes: the set behind the representation, if there is one. archetype: the item's, with the states that it was written
    with, or a text from elsewhere, which the language model then reads. Raises InputError, ModelError, NonFiniteError.
    """
    require_revision(representation, models.folder(representation.model))
    text = archetype if isinstance(archetype, str) else archetype.text
    if is_read_by_encoder(representation, archetypes):
        texts = {"prefill": metadata_text(attributes), "decoding": text, "title": title_of(attributes) or UNKNOWN}
        with models.lock:
            encoder = models.encoder(representation.model)
            return {part: encoder.encode([texts[part]], names=[f"item {item!r}"]) for part in representation.dims}
    if isinstance(archetype, str):
        assert archetypes is not None
        return read_texts(models, representation, archetypes, [text], attributes, f"item {item!r}")
    return {"prefill": archetype.prefill[None], "decoding": archetype.decoding[None]}


def read_texts(
    models: Models,
    representation: RepresentationRow,
    archetypes: ArchetypeSetRow,
    texts: Sequence[str],
    attributes: dict[str, str],
    name: str,
) -> States:
    """The states of n texts read as a representation's archetypes were, part -> [n, d], for the parts that a text decides.

    An encoder reads them alone; a language model as its answers to the prompt of these attributes, so that its prefill part is
    there too. name: what errors call them. Raises InputError, ModelError, NonFiniteError.
    """
    names = [name] * len(texts)
    if is_read_by_encoder(representation, archetypes):
        with models.lock:
            return {"decoding": models.encoder(representation.model).encode(texts, names=names)}
    prompt = template_of(archetypes).render(attributes)
    with models.lock:
        model = models.language_model(representation.model)
        prefill, decoding = model.embed([prompt] * len(texts), texts, names=names)
    return {"prefill": prefill, "decoding": decoding}


def title_of(attributes: dict[str, str]) -> str:
    """The value that readers take for an item's title, "" where there is none."""
    lowered = {key.lower(): value for key, value in reversed(list(attributes.items()))}
    return next((lowered[alias] for alias in FIELD_ALIASES["title"] if alias in lowered), "")
