"""vLLM's pooling in this process behind encode(texts, role): offline, continuous batches."""

import gc
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.llm.engine_args import check_not_pinned, read_engine_args
from builders.llm.weights import weights_of
from builders.retrieval.encoders import (
    EncoderOptions,
    Role,
    UnusableVectors,
    identity_of,
    resolved,
    shown,
    unit_vectors,
)
from builders.retrieval.minilm import pinned_retriever, retriever_weights

# These are what the options pin.
_PINNED = ("model", "revision", "tokenizer", "tokenizer_revision", "runner", "dtype")


class VLLMEncoder:
    """`engine_args` are arguments of vllm.LLM. The tokenizer's chat template is not applied."""

    def __init__(self, options: EncoderOptions) -> None:
        self._arguments = read_engine_args(options.engine_args)
        check_not_pinned(self._arguments, _PINNED, "--model, --revision and --dtype")
        self._pinned = pinned_retriever(options.model, options.revision)
        self.model = shown(self._pinned)
        self.truncated = 0
        self._options = options
        # vLLM's own auto is the model's type, and half precision where that is float32.
        self._dtype = resolved(options.dtype)
        self._llm: Any = None
        self._dim: int | None = None

    @property
    def dim(self) -> int:
        if self._dim is None:
            self.encode(["."], "document")
        assert self._dim is not None
        return self._dim

    def identity(self, role: Role) -> dict[str, Any]:
        return identity_of(self._options, self.model, role, self._dtype)

    def encode(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        llm = self._load()
        if not texts:
            return np.empty((0, self.dim), np.float32)
        prompt = (self._options.query_prompt if role == "query" else self._options.document_prompt) or ""
        tokenizer, longest = llm.get_tokenizer(), llm.model_config.max_model_len
        longest = min(longest, self._options.max_length or longest)
        whole = tokenizer([prompt + text for text in texts], truncation=False, padding=False)["input_ids"]
        # Cut again by the tokenizer, which keeps the special tokens at the end.
        cut = [len(tokens) > longest for tokens in whole]
        for at in (at for at, is_long in enumerate(cut) if is_long):
            whole[at] = tokenizer(prompt + texts[at], truncation=True, max_length=longest)["input_ids"]
        self.truncated += sum(cut)
        # Some tokenizers make nothing of an empty text: vLLM refuses it, and a mean over no tokens is zero.
        empty = [at for at, tokens in enumerate(whole) if not tokens]
        if empty:
            raise UnusableVectors(empty)
        outputs = llm.embed([{"prompt_token_ids": tokens} for tokens in whole], use_tqdm=False)
        vectors = np.asarray([output.outputs.embedding for output in outputs], dtype=np.float32)
        self._dim = int(vectors.shape[1])
        return unit_vectors(vectors)

    def close(self) -> None:
        """Ends the engine's process and frees its memory. May be called twice."""
        if self._llm is None:
            return
        self._llm.llm_engine.engine_core.shutdown()
        self._llm = None
        gc.collect()

    def _load(self) -> Any:
        if self._llm is not None:
            return self._llm
        try:
            import vllm
        except ImportError:
            raise UserError(
                "The package vLLM is not installed here: run `pip install 'drama[vllm]'` in an environment of its own."
            ) from None
        source, revision = retriever_weights(self._pinned, weights_of)
        chosen = {**self._arguments, "revision": revision, "tokenizer_revision": revision, "dtype": self._dtype}
        self._llm = vllm.LLM(model=source, runner="pooling", **chosen)
        return self._llm
