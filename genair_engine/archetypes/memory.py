"""How much memory a causal LM needs, from its configuration and the headers of its weights, before anything is loaded.

Weights take their number times the bytes of the format that they are computed in; keys and values take, a token,
2 × layers × key-value heads × width of a head. Checked is what one item at a time needs: larger batches adapt themselves to
what is free.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from genair_engine.archetypes.hub import PRESETS
from genair_engine.archetypes.model_folders import ModelFolder
from genair_engine.devices import device_name, free_memory
from genair_engine.errors import ModelError

CACHED_TOKENS = 1024
"""Of one item's prompt and answer, about: the paper's prompt, and an answer of 512 tokens."""
LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""


@dataclass(frozen=True)
class Need:
    """Bytes. weights: of the loaded model; cache: keys and values of one item."""

    weights: int
    cache: int

    @property
    def total(self) -> int:
        return self.weights + self.cache


def needed(folder: Path, config: Any, dtype: torch.dtype) -> Need:
    """What the model in that folder needs when it is loaded as `dtype`. config: its transformers configuration.

    Raises ValueError where a weights file is cut off or has no header.
    """
    weights = sum(_weights(path, dtype.itemsize) for path in _files(folder))
    text = config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None) or CACHED_TOKENS
    return Need(weights, token_bytes(text, dtype) * min(positions, CACHED_TOKENS))


def token_bytes(text_config: Any, dtype: torch.dtype) -> int:
    """Bytes of one token's keys and values in all layers; 0 for a model whose configuration tells of none (Mamba, RWKV)."""
    try:
        heads = getattr(text_config, "num_key_value_heads", None) or text_config.num_attention_heads
        width = getattr(text_config, "head_dim", None) or text_config.hidden_size // text_config.num_attention_heads
        return int(2 * text_config.num_hidden_layers * heads * width * dtype.itemsize)
    except AttributeError:
        return 0


def require_memory(folder: ModelFolder, config: Any, dtype: torch.dtype, device: torch.device) -> None:
    """Raises ModelError, with what would fit, where the model does not fit on the device; ValueError as `needed`."""
    need = needed(folder.path, config, dtype)
    # Weights are read into main memory, and go to a GPU from there.
    for place, bytes_needed in {torch.device("cpu"): need.weights, device: need.total}.items():
        free = free_memory(place)
        if bytes_needed > free:
            where = "main memory" if place.type == "cpu" else f"the memory of {device_name(place)}"
            raise ModelError(
                f"{folder.model_id} needs about {_gb(need.total)} on {device}: {_gb(need.weights)} of weights in "
                f"{str(dtype).removeprefix('torch.')} and {_gb(need.cache)} for the cache of one item. In {where} "
                f"{_gb(free)} are free. {_what_fits(free, dtype)}"
            )


def _what_fits(free: int, dtype: torch.dtype) -> str:
    fitting = [name for name, preset in PRESETS.items() if preset.parameters * dtype.itemsize * 1.1 < free]
    if fitting:
        largest = max(fitting, key=lambda name: PRESETS[name].parameters)
        here = f"{largest} would fit (about {_gb(PRESETS[largest].parameters * dtype.itemsize)})"
    else:
        here = "Of the presets none would fit; the demo models do (demo-qwen)"
    half = " on a GPU, where weights take half of that" if dtype.itemsize == 4 else " on a GPU with more memory"
    return f"{here}. Or work{half}, or let a server write the texts (openai:MODEL)."


def _files(folder: Path) -> list[Path]:
    """The weights that are loaded: those of the index where there is one, else model.safetensors."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return [folder / name for name in sorted(set(named))]
    single = folder / "model.safetensors"
    return [single] if single.is_file() else sorted(folder.glob("*.safetensors"))


def _weights(path: Path, itemsize: int) -> int:
    """Bytes of a file's tensors: floating-point ones as `itemsize` bytes a number, others as they are stored."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(size - 8, LONGEST_HEADER):
            raise ValueError(f"{path.name} is cut off or no safetensors file")
        header = json.loads(file.read(length))
    tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
    end = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors), default=0)
    if end > size:
        raise ValueError(f"{path.name} is cut off: it has {size:,} of {end:,} bytes; get it again")
    return sum(
        math.prod(tensor["shape"]) * itemsize
        if tensor["dtype"].startswith(("F", "BF"))
        else tensor["data_offsets"][1] - tensor["data_offsets"][0]
        for tensor in tensors
    )


def _gb(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
