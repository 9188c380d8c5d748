"""From a model's name to the backend that runs it. PyTorch and transformers are imported only when a model is loaded."""

from __future__ import annotations

from collections.abc import Callable

from genair_engine.archetypes.backends import Encoder, LanguageModel
from genair_engine.archetypes.embedder import Embedder
from genair_engine.archetypes.hub import Progress, silent
from genair_engine.archetypes.model_folders import SERVER_PREFIX, ModelFolder, find_model
from genair_engine.errors import InputError, ModelError
from genair_engine.settings import Settings

Load = Callable[[str], LanguageModel | Encoder]
"""From the name of a model on this machine to the model."""


def loader(settings: Settings, device: str = "auto", progress: Progress = silent) -> Load:
    """Loads a model of any kind by its name, downloaded where it must be."""
    return lambda name: load_model(find_model(name, settings.models_dir, progress), device)


def open_language_model(settings: Settings, name: str, reader: str | None, load: Load) -> LanguageModel:
    """The language model of that name: `openai:MODEL` is a server's (`openai_backend`), others are on this machine.

    reader: the model on this machine that embeds a server's texts. Raises as `load_language_model`, InputError for a reader
    that nobody needs, ModelError where a server's model has none.
    """
    if not name.startswith(SERVER_PREFIX):
        if reader is not None:
            raise InputError(f"{name!r} reads its own texts: a reader is for models of a server ({SERVER_PREFIX}MODEL).")
        return require_writer(load(name))
    if reader is None:
        raise ModelError(
            f"{name} writes texts and gives no states: name a model on this machine that reads them, such as --reader "
            "qwen2.5-0.5b-instruct, or an encoder (minilm)."
        )
    from genair_engine.archetypes.openai_backend import ServerModel
    from genair_engine.archetypes.openai_client import ChatClient

    client = ChatClient(settings, name.removeprefix(SERVER_PREFIX))
    client.served()  # before a model is loaded for minutes
    return ServerModel(name, client, Embedder(load(reader)), settings.openai_concurrency)


def load_language_model(folder: ModelFolder, device: str = "auto") -> LanguageModel:
    """The causal LM in a folder (see `model_folders.find_model`) on `device`: "auto" (a GPU if there is one), "cpu",
    "cuda", …

    Raises ModelError where it cannot be loaded, or is an encoder; NonFiniteError where weights are NaN or infinite.
    """
    if folder.is_encoder:
        raise _no_writer(folder.model_id)
    from genair_engine.archetypes.transformers_backend import TransformersModel

    return TransformersModel(folder, device)


def load_encoder(folder: ModelFolder, device: str = "auto") -> Encoder:
    """The sentence-transformers encoder in a folder (see `model_folders.find_model`). Raises ModelError."""
    if not folder.is_encoder:
        raise _no_encoder(folder.model_id)
    from genair_engine.archetypes.encoder_backend import SentenceEncoder

    return SentenceEncoder(folder, device)


def load_model(folder: ModelFolder, device: str = "auto") -> LanguageModel | Encoder:
    """The model in a folder, whatever it is. Raises ModelError, NonFiniteError."""
    return load_encoder(folder, device) if folder.is_encoder else load_language_model(folder, device)


def require_writer(model: LanguageModel | Encoder) -> LanguageModel:
    """The same model, which can write. Raises ModelError."""
    if not isinstance(model, LanguageModel):
        raise _no_writer(model.model_id)
    return model


def require_encoder(model: LanguageModel | Encoder) -> Encoder:
    """The same model, which is an encoder. Raises ModelError."""
    if isinstance(model, LanguageModel):
        raise _no_encoder(model.model_id)
    return model


def _no_writer(name: str) -> ModelError:
    return ModelError(f"{name!r} is a text encoder: it embeds texts but cannot write archetypes.")


def _no_encoder(name: str) -> ModelError:
    return ModelError(f"{name!r} is no sentence-transformers encoder (it has no modules.json).")
