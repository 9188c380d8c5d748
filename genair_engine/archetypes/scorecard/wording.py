"""Novelty and diversity of what archetypes say, by their words: LaMAR's analysis (arXiv 2510.18046) without another model.

Texts become TF-IDF vectors of unit length: tf = 1 + ln(count of a stem in the text), idf = ln((1 + n) / (1 + texts with
it)) + 1, over archetypes and metadata together; function words and numbers are left out. The paper's own embedding is not
known, and this one needs no further language model: novelty is 1 − the largest cosine to a value of the item's metadata,
diversity 1 − the mean cosine to the archetypes of all other items, whose mean over the items is 1 − the mean pairwise
cosine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from genair_engine.archetypes.prompts.template import SKIPPED_ATTRIBUTES
from genair_engine.archetypes.scorecard.words import FUNCTION_WORDS, raw_words, stem
from genair_engine.types import Float64Array


def wording(texts: Sequence[str], metadata: Sequence[Mapping[str, str]]) -> tuple[Float64Array, Float64Array]:
    """Novelty and diversity, [n] each in 0 … 1, of n archetypes beside the attributes of their items.

    nan where there is nothing to compare: the text has no content word, or (diversity) there is no other text with one. The
    novelty of a text whose item has no metadata is 1.
    """
    values = [[value for key, value in attributes.items() if key.lower() not in SKIPPED_ATTRIBUTES] for attributes in metadata]
    owners = np.repeat(np.arange(len(texts)), [len(values_of_text) for values_of_text in values])
    vectors = tfidf([*texts, *(value for values_of_text in values for value in values_of_text)])
    archetypes, held = vectors[: len(texts)], vectors[len(texts) :]
    empty = np.diff(archetypes.indptr) == 0
    closest = np.zeros(len(texts))
    np.maximum.at(closest, owners, np.asarray(archetypes[owners].multiply(held).sum(axis=1)).ravel())
    novelty = np.where(empty, np.nan, np.clip(1.0 - closest, 0.0, 1.0))
    return novelty, np.where(empty, np.nan, _diversity(archetypes, int((~empty).sum())))


def tfidf(texts: Sequence[str]) -> sparse.csr_array:
    """[n, words] TF-IDF rows of unit length (zero where a text has no content word)."""
    words = [raw_words(text) for text in texts]
    lengths = [len(words_of_text) for words_of_text in words]
    codes, surfaces = pd.factorize(np.array([word for words_of_text in words for word in words_of_text], dtype=object))
    stems, _ = pd.factorize(np.array([stem(word) for word in surfaces], dtype=object))
    content = np.array([not word[0].isdigit() and stem(word) not in FUNCTION_WORDS for word in surfaces], dtype=bool)
    rows = np.repeat(np.arange(len(texts)), lengths)
    kept = content[codes] if len(codes) else np.zeros(0, dtype=bool)
    columns = stems[codes[kept]] if len(codes) else np.zeros(0, dtype=np.int64)
    shape = (len(texts), int(stems.max(initial=0)) + 1)
    counts = sparse.coo_array((np.ones(len(columns)), (rows[kept], columns)), shape=shape).tocsr()
    frequency = np.bincount(counts.indices, minlength=shape[1])
    counts.data = (1.0 + np.log(counts.data)) * (np.log((1 + shape[0]) / (1 + frequency)) + 1.0)[counts.indices]
    lengths_of_rows = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    counts.data /= np.repeat(lengths_of_rows, np.diff(counts.indptr))
    return counts


def _diversity(vectors: sparse.csr_array, texts: int) -> Float64Array:
    """1 − mean cosine of each row to the other rows that are not empty, from their sum: linear in the number of words."""
    if texts < 2:
        return np.full(vectors.shape[0], np.nan)
    total = np.asarray(vectors.sum(axis=0)).ravel()
    own = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
    return np.clip(1.0 - (vectors @ total - own) / (texts - 1), 0.0, 1.0)
