"""sentence-transformers in this process behind encode(texts, role): any model it loads, on a CPU or one GPU."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.llm.engine_args import read_engine_args
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


class SentenceTransformersEncoder:
    """Batches are sorted by length (sentence-transformers does it) and padded to their own longest text.

    device: cpu or cuda; None for what sentence-transformers finds.
    """

    def __init__(self, options: EncoderOptions, device: str | None = None) -> None:
        self._pinned = pinned_retriever(options.model, options.revision)
        self.model = shown(self._pinned)
        self.truncated = 0
        self._options, self._device = options, device
        self._loaded: Any = None
        self._dtype = resolved(options.dtype)

    @property
    def dim(self) -> int:
        return int(self._load().get_embedding_dimension())

    @property
    def longest(self) -> int | None:
        """Tokens that it reads of a text; None where there is no limit."""
        found: int | None = self._load().max_seq_length
        return found

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each document has, those that the model adds included, however many it reads."""
        tokenizer = self._load().tokenizer
        whole = [self._prompt("document") + text for text in texts]
        return [len(ids) for ids in tokenizer(whole, truncation=False, padding=False, verbose=False)["input_ids"]]

    def identity(self, role: Role) -> dict[str, Any]:
        return identity_of(self._options, self.model, role, self._dtype)

    def encode(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        loaded = self._load()
        if not texts:
            return np.empty((0, self.dim), np.float32)
        prompt = self._prompt(role)
        whole = [prompt + text for text in texts]
        # Some tokenizers make nothing of an empty text; a model dies of it, or its vector is zero.
        blank = [at for at, text in enumerate(whole) if not text.strip()]
        empty = [at for at in blank if not loaded.tokenizer(whole[at])["input_ids"]]
        if empty:
            raise UnusableVectors(empty)
        self.truncated += self._too_long(whole)
        vectors = loaded.encode(
            list(texts),
            prompt=prompt,
            batch_size=self._options.batch_size,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return unit_vectors(vectors)

    def close(self) -> None:
        """Lets go of the weights. May be called twice."""
        self._loaded = None

    def _prompt(self, role: Role) -> str:
        given = self._options.query_prompt if role == "query" else self._options.document_prompt
        if given is not None:
            return given
        own: dict[str, str] = self._loaded.prompts or {}
        names = ("query",) if role == "query" else ("document", "passage", "corpus")
        return next((own[name] for name in names if own.get(name)), "")

    def _too_long(self, texts: list[str]) -> int:
        """How many texts the model cuts. Those too short for it are not looked at: no token is less than a byte."""
        most = self._loaded.max_seq_length
        long = [text for text in texts if most and len(text.encode()) > most - 2]
        if not long:
            return 0
        read = self._loaded.tokenizer(long, truncation=False, padding=False, verbose=False)["input_ids"]
        return sum(len(tokens) > most for tokens in read)

    def _load(self) -> Any:
        if self._loaded is not None:
            return self._loaded
        try:
            import torch
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging
        except ImportError:
            raise UserError(
                "The package sentence-transformers is not installed here: run `pip install 'drama[mine]'`, or use "
                "another --encoder."
            ) from None
        logging.disable_progress_bar()  # loading is quick; the stage shows its own progress
        source, revision = retriever_weights(self._pinned, weights_of)
        arguments = {"dtype": getattr(torch, self._dtype), **read_engine_args(self._options.engine_args)}
        loaded: Any = SentenceTransformer(source, revision=revision, device=self._device, model_kwargs=arguments)
        _without_chat_template(loaded)
        if self._options.max_length is not None:
            longest = loaded.max_seq_length
            if longest is not None and self._options.max_length > longest:
                asked = f"The --max-length {self._options.max_length}"
                raise UserError(f"{asked} is more than {self.model.id} reads: give {longest} or less.", exit_code=2)
            loaded.max_seq_length = self._options.max_length
        self._loaded = loaded.eval()
        return self._loaded


def _without_chat_template(loaded: Any) -> None:
    """sentence-transformers 6 wraps each text in the tokenizer's chat template, which no retriever was trained on."""
    if getattr(loaded.tokenizer, "chat_template", None):
        loaded.tokenizer.chat_template = None
    # What the template made it take for its input is read when it is loaded; a text alone is "text".
    for module in loaded:
        taken = getattr(module, "modality_config", {})
        if "text" in taken:
            taken.pop("message", None)
