"""The files of an exported model beside its weights: what sentence-transformers, vLLM and others are told."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from builders.cli.errors import UserError
from drama_train.exporting.tokenizer import ending_tokenizer
from drama_train.retriever import Retriever, Settings, save_retriever

Arch = Literal["LlamaModel", "LlamaBidirectionalModel"]
Dtype = Literal["float32", "bfloat16"]
# transformers obeys is_causal = False from here on; an older one reads causally without a word.
OLDEST = "5.2"
# The names that every sentence-transformers since 2.0 imports, and that vLLM looks for.
_MODULES = ("Transformer", "Pooling", "Normalize")


def round_weights(retriever: Retriever, dtype: Dtype) -> None:
    """To what `dtype` can hold; they stay float32, in which golden vectors are made."""
    _cast(retriever, dtype)
    _cast(retriever, "float32")


def _cast(retriever: Retriever, dtype: Dtype) -> None:
    """The parameters alone: `Module.to` would round the frequencies of the rotary positions too, which no file holds
    and every program computes in float32 (measured: vectors 3e-4 off)."""
    import torch

    for parameter in retriever.model.parameters():
        parameter.data = parameter.data.to(getattr(torch, dtype))


def write_layout(retriever: Retriever, folder: Path, arch: Arch | None = None, dtype: Dtype = "float32") -> None:
    """Weights (safetensors), config, the ending tokenizer, drama.json, and sentence-transformers' files.

    The tokenizer adds BOS and EOS by itself. UserError where `arch` does not fit the model.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    named = _architecture(retriever, arch)
    tokenizer = ending_tokenizer(retriever.tokenizer, retriever.settings.max_length)
    _cast(retriever, dtype)
    try:
        save_retriever(Retriever(retriever.model, tokenizer, retriever.settings), folder)
    finally:
        _cast(retriever, "float32")
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    _write(path, config | _attention(retriever.settings, named))
    _write(folder / "modules.json", [_module(number, name) for number, name in enumerate(_MODULES)])
    _write(folder / "sentence_bert_config.json", {"max_seq_length": retriever.settings.max_length})
    _write(folder / "1_Pooling/config.json", _pooling(retriever))
    _write(folder / "2_Normalize/config.json", {})
    _write(folder / "config_sentence_transformers.json", _prompts(retriever.settings))


def _architecture(retriever: Retriever, arch: Arch | None) -> str:
    """LlamaBidirectionalModel is how vLLM and llama.cpp know a Llama that reads both ways; transformers goes by
    model_type alone."""
    own = type(retriever.model).__name__
    is_llama, is_causal = own == "LlamaModel", retriever.settings.attention == "causal"
    if arch is None:
        return "LlamaBidirectionalModel" if is_llama and not is_causal else own
    if not is_llama:
        raise UserError(f"--arch {arch} is for a Llama, and this is a {own}: leave it out.", exit_code=2)
    if arch == "LlamaBidirectionalModel" and is_causal:
        raise UserError(f"--arch {arch} reads both ways, and this model was trained causal: leave it out.", exit_code=2)
    return arch


def _attention(settings: Settings, architecture: str) -> dict[str, Any]:
    """For config.json. use_bidirectional_attention is what text-embeddings-inference asks for, pooling is vLLM's."""
    both = settings.attention == "bidirectional"
    told = {"architectures": [architecture], "is_causal": not both, "use_bidirectional_attention": both}
    return told | {"use_cache": False, "pooling": {"mean": "avg", "eos": "last"}[settings.pooling]}


def _module(number: int, name: str) -> dict[str, Any]:
    path = f"{number}_{name}" if number else ""
    return {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{name}"}


def _pooling(retriever: Retriever) -> dict[str, Any]:
    """The prompt and the EOS count as every other token does, in training too."""
    modes = {
        f"pooling_mode_{mode}": False
        for mode in ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens")
    }
    chosen = {"mean": "pooling_mode_mean_tokens", "eos": "pooling_mode_lasttoken"}[retriever.settings.pooling]
    told = {"word_embedding_dimension": retriever.dim, **modes, "pooling_mode_lasttoken": False, chosen: True}
    return told | {"include_prompt": True}


def _prompts(settings: Settings) -> dict[str, Any]:
    told: dict[str, Any] = {
        "__version__": {"transformers": version("transformers"), "pytorch": version("torch").split("+")[0]},
        "prompts": {"query": settings.query_prefix, "document": settings.document_prefix},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }
    if settings.attention == "bidirectional":
        reason = "older ones read a decoder causally whatever its config says, and the vectors are others"
        told["requirements"] = {"transformers": {"specifier": f">={OLDEST}", "reason": reason}}
    return told


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
