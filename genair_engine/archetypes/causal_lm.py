"""Causal language models from a folder of safetensors weights, checked before anything is written with them.

A model is refused whose weights are incomplete or not finite, which this machine's memory cannot hold, or whose architecture
keeps other memory than keys and values: the decoding loop could not drive it.
"""

from __future__ import annotations

from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from genair_engine.archetypes.attention import use_own_keys
from genair_engine.archetypes.memory import require_memory
from genair_engine.archetypes.model_folders import ModelFolder
from genair_engine.errors import ModelError, NonFiniteError


def load_causal_lm(folder: ModelFolder, device: torch.device) -> tuple[Any, Any]:
    """Model and tokenizer. Raises ModelError, and NonFiniteError where weights are NaN or infinite."""
    transformers_logging.disable_progress_bar()
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder.path, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"{folder.model_id} ({folder.path}) has no tokenizer that can be read: put the model's tokenizer.json and "
            f"tokenizer_config.json there. ({_first_line(error)})"
        ) from error
    try:
        require_memory(folder, AutoConfig.from_pretrained(folder.path, trust_remote_code=False), dtype, device)
        model, info = AutoModelForCausalLM.from_pretrained(
            folder.path, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder.model_id} ({folder.path}) cannot be loaded as a causal LM: {_first_line(error)}") from error
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise ModelError(
            f"{folder.model_id} lacks {len(missing)} weights, the first is {missing[0]}: the download or the "
            "checkpoint is incomplete, or its config.json names another architecture."
        )
    if not model.can_generate() or model.base_model is model or getattr(model, "_is_stateful", False):
        raise ModelError(f"{type(model).__name__} of {folder.model_id} is no causal LM with a key-value cache.")
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise NonFiniteError(f"The weights {name} of {folder.model_id} hold NaN or infinity: get the model again.")
    model = model.to(device).eval()
    use_own_keys(model)
    return model, tokenizer


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def eos_ids(model: Any, tokenizer: Any) -> set[int]:
    """All tokens that end an answer: those of the generation config (one or a list) and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return {i for i in [*ids, tokenizer.eos_token_id] if i is not None}
