"""Words and archetypes in one space: which items are for an audience that somebody describes.

The space is the part of a representation that is of archetypes (decoding): what a language model's states, or an encoder,
make of archetypes. An item lies where its PCA coordinates say, centred by the mean of all archetypes. A description is put
into the form of a short archetype that lists it and nothing else (`DESCRIPTION`), and read as an archetype is: by the
language model as its answer to the prompt of an unknown item (teacher forcing), or by the encoder. Read once, in a few
words, a description leaves hardly a trace in a language model's mean state; repetition is what helps (Springer et al.,
"Repetition improves language model embeddings", 2024). All descriptions share their form, so they have a centre of their
own: the mean of audiences that the archetypes themselves name, read in the same way. What is compared is the direction from
the centre (cosine). benchmarks/README.md has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from genair_engine.archetypes.representation import PartBasis, project
from genair_engine.archetypes.segments import audience_name, split_segments
from genair_engine.catalog.dataset import Dataset
from genair_engine.errors import InputError
from genair_engine.store import runs as rows
from genair_engine.store.tables import RepresentationRow, TextSetRow
from genair_engine.types import Float32Array
from genair_engine.verbs.representations.catalogue_states import require_revision
from genair_engine.verbs.representations.stored import columns_of, is_read_by_encoder, load_with_bases, part_of_texts
from genair_engine.verbs.representations.text_sources import texts_made_of
from genair_engine.verbs.representations.unseen import read_texts
from genair_engine.verbs.texts.ready_models import Models
from genair_engine.workspace import Workspace

CENTRE_OF = 128
CENTRE_SEED = 0
"""Audiences that the centre of descriptions is the mean of, and the seed of the items that they are taken from."""
DESCRIPTION = "This item is for:\n1. {0}: they value it.\n2. {0}: they use it.\n3. {0}: they need it."


@dataclass(frozen=True, eq=False)
class AudienceSpace:
    """The archetypes of a data set in a representation's space. items: [n_items, k] unit rows; centre: [d] of descriptions."""

    dataset: Dataset
    row: RepresentationRow
    archetypes: TextSetRow
    items: Float32Array
    basis: PartBasis
    centre: Float32Array
    models: Models

    @property
    def in_words(self) -> str:
        """Which space it is, for a line beside the results."""
        columns, written = f"{self.items.shape[1]} components", f"archetypes by {self.archetypes.model}"
        if is_read_by_encoder(self.row):
            return f"{self.row.model} embeddings of {written}, {columns} ({self.row.id})"
        own = "its own archetypes" if self.archetypes.model == self.row.model else written
        return f"states of {self.row.model} over {own}, {columns} ({self.row.id})"

    def similarity(self, text: str) -> Float32Array:
        """[n_items] cosine of every item's archetype with a description, both from their centres. Raises ModelError."""
        states = read_descriptions(self.models, self.row, self.archetypes, [text])
        return self.items @ unit(project(replace(self.basis, mean=self.centre), states))[0]


def load(workspace: Workspace, dataset: str, representation: str | None, models: Models) -> AudienceSpace:
    """`verbs.load_audience_space`."""
    owner, catalogue = workspace.dataset_row(dataset), workspace.load_dataset(dataset)
    with workspace.reading() as session:
        if representation is None:
            with_texts = [row for row in rows.list_representations(session, owner.id) if part_of_texts(row)]
            if not with_texts:
                raise InputError(
                    f"{dataset!r} has no representation with archetypes (a decoding part): generate archetypes and represent "
                    "them."
                )
            row = with_texts[-1]
        else:
            row = rows.find_representation(session, owner, representation)
        archetypes = session.get(TextSetRow, row.text_set_id) if row.text_set_id else None
        part = part_of_texts(row)
        if part is None or archetypes is None:
            raise InputError(
                f"Representation {row.id} holds {' and '.join(row.dims)} and no archetypes: choose one that has a part of "
                "them (decoding)."
            )
        names = some_audiences(texts_made_of(session, catalogue, row))
    require_revision(row, models.folder(row.model))
    stored = load_with_bases(workspace, row)
    basis = stored.bases[part.name]
    centre = read_descriptions(models, row, archetypes, names).mean(axis=0) if names else basis.mean
    items = unit(stored.vectors[:, columns_of(row, part.name)])
    return AudienceSpace(catalogue, row, archetypes, items, basis, centre, models)


def read_descriptions(models: Models, row: RepresentationRow, archetypes: TextSetRow, texts: Sequence[str]) -> Float32Array:
    """[n, d] states of descriptions, read as archetypes of the representation are."""
    forms = [DESCRIPTION.format(" ".join(text.split()).rstrip(".:")) for text in texts]
    part = part_of_texts(row)
    assert part is not None  # whoever describes an audience has looked for it
    return read_texts(models, row, archetypes, forms, {}, "the description")[part.name]


def some_audiences(texts: dict[int, str]) -> list[str]:
    """Names of audiences in archetypes, each once, at most `CENTRE_OF`, from items drawn at random (always the same)."""
    order = np.random.default_rng(CENTRE_SEED).permutation(np.array(sorted(texts), dtype=np.int64))
    names: dict[str, None] = {}
    for position in order.tolist():
        names |= dict.fromkeys(filter(None, map(audience_name, split_segments(texts[position]).audiences)))
        if len(names) >= CENTRE_OF:
            break
    return list(names)[:CENTRE_OF]


def unit(rows: Float32Array) -> Float32Array:
    """Rows of length 1; zero rows stay zero."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1.0), dtype=np.float32)
