"""The sentence-transformers backend: an encoder of metadata and archetype texts, in float32.

Pooling and normalisation are left as the model defines them (all-MiniLM-L6-v2 gives unit vectors).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from genair_engine.archetypes.model_folders import ModelFolder
from genair_engine.archetypes.representation import check_finite
from genair_engine.devices import device_name, enough_memory, pick_device
from genair_engine.errors import ModelError
from genair_engine.types import Float32Array

BATCH_SIZE = 64


class SentenceEncoder:
    """A loaded encoder (an `Encoder`). Raises ModelError where it cannot be loaded."""

    def __init__(self, folder: ModelFolder, device: str = "auto") -> None:
        transformers_logging.disable_progress_bar()
        self.model_id = folder.model_id
        self.revision = folder.revision
        try:
            self._model = SentenceTransformer(
                str(folder.path),
                device=str(pick_device(device)),
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": "float32"},
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{folder.model_id} ({folder.path}) cannot be loaded as an encoder: {error}") from error
        self.device = device_name(self._model.device)
        self.dim = int(self._model.get_embedding_dimension())

    def encode(self, texts: Sequence[str], *, names: Sequence[str] = ()) -> Float32Array:
        """float32 [n, dim], row i for text i. Raises NonFiniteError, which names the first bad text (by `names`)."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        with enough_memory("Use a GPU with more free memory, or the CPU."):
            vectors: Float32Array = self._model.encode(
                list(texts), batch_size=BATCH_SIZE, show_progress_bar=False, convert_to_numpy=True
            ).astype(np.float32, copy=False)
        check_finite(vectors, self.model_id, names)
        return vectors

    def count_cut(self, texts: Sequence[str]) -> int:
        """How many texts have more tokens than the model reads (all-MiniLM-L6-v2: 256, its own marks included)."""
        most = self._model.max_seq_length
        if not texts or most is None:
            return 0
        tokens = self._model.tokenizer(list(texts), truncation=False, padding=False, verbose=False).input_ids
        return sum(len(ids) > most for ids in tokens)
