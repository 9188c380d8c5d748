"""Language models and encoders that are loaded and ready: what a page keeps between clicks, over all visitors.

A model that writes here and reads there (a new version of a text, and what it would change) is loaded once. Nothing is
downloaded, as somebody waits.
"""

from __future__ import annotations

from threading import RLock

from genair_engine.archetypes.backends import EDITED, Encoder, LanguageModel
from genair_engine.archetypes.loading import load_model, open_language_model, require_encoder, require_writer
from genair_engine.archetypes.model_folders import ModelFolder, find_model
from genair_engine.cluster import ClusterModel
from genair_engine.errors import InputError
from genair_engine.settings import Settings
from genair_engine.store.tables import TextSetRow
from genair_engine.store.texts import reader_of

MODELS_KEPT = 4
"""Models in memory at once; the one that was loaded first goes for the next."""


class Models:
    """Models by name, each in memory once. Hold `lock` while one reads: it is the time of one caller.

    kept: how many at most; those of a server or a cluster, which need no memory here, are not counted.
    """

    def __init__(self, settings: Settings, device: str = "auto", kept: int = MODELS_KEPT) -> None:
        self.lock = RLock()
        self._settings, self._device, self._kept = settings, device, kept
        self._folders: dict[str, ModelFolder] = {}
        self._loaded: dict[str, LanguageModel | Encoder] = {}
        self._elsewhere: dict[tuple[str, str | None], LanguageModel] = {}

    def folder(self, name: str) -> ModelFolder:
        """Raises ModelError where it is not on this machine."""
        if name not in self._folders:
            self._folders[name] = find_model(name, self._settings.models_dir, fetch=False)
        return self._folders[name]

    def language_model(self, name: str) -> LanguageModel:
        """The model of that name on this machine. Raises ModelError."""
        return require_writer(self._model(name))

    def encoder(self, name: str) -> Encoder:
        """Raises ModelError."""
        return require_encoder(self._model(name))

    def writer(self, name: str, reader: str | None = None) -> LanguageModel:
        """What writes texts under that name: this machine's model, a server's (openai:MODEL) with its reader, or the
        cluster's, where there is one. Raises ModelError, InputError, OutageError.
        """
        if self._settings.ray_address is None:
            return self._writer_here(name, reader)
        key = (name, reader)
        if key not in self._elsewhere:  # machines of a cluster have models of their own
            self._elsewhere[key] = ClusterModel(self._settings, name, self._device, reader)
        return self._elsewhere[key]

    def writer_of(self, archetypes: TextSetRow) -> LanguageModel:
        """What can write another text as those of a set were written: its language model, or its server's with its reader.

        Raises ModelError, and InputError where people wrote them.
        """
        if archetypes.backend == EDITED:
            raise InputError(
                f"The archetypes of set {archetypes.id} were written by people, so that no model can write another one: give "
                "the item's archetype as a text."
            )
        return self._writer_here(archetypes.model, reader_of(archetypes))

    def _writer_here(self, name: str, reader: str | None) -> LanguageModel:
        if (name, reader) in self._elsewhere:
            return self._elsewhere[name, reader]
        if reader is not None:
            self.folder(reader)  # before the server is asked
        model = open_language_model(self._settings, name, reader, self._model)
        if reader is not None:
            self._elsewhere[name, reader] = model
        return model

    def _model(self, name: str) -> LanguageModel | Encoder:
        with self.lock:
            if name not in self._loaded:
                folder = self.folder(name)
                while len(self._loaded) >= self._kept:
                    del self._loaded[next(iter(self._loaded))]
                self._loaded[name] = load_model(folder, self._device)
            return self._loaded[name]
