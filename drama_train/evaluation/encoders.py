"""Retrievers and sentence-transformers models behind builders' Encoder: texts in, unit vectors out."""

from collections.abc import Sequence
from copy import copy
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.llm.requests import Model
from drama_train.evaluation.specs import Spec
from drama_train.loading import named_model
from drama_train.retriever import Retriever, Settings, load_retriever, read_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from builders.retrieval.encoders import Role

# Raise it when the same texts come to have other vectors.
REVISION = 1


class TextEncoder(Protocol):
    """builders' Encoder, of which is also known what it reads."""

    model: Model
    truncated: int

    @property
    def dim(self) -> int: ...

    @property
    def longest(self) -> int | None:
        """Tokens that the model can read of a text; None where there is no limit."""
        ...

    def identity(self, role: "Role") -> dict[str, Any]: ...

    def encode(self, texts: Sequence[str], role: "Role") -> "NDArray[np.float32]": ...

    def token_counts(self, texts: Sequence[str]) -> list[int]: ...

    def close(self) -> None: ...


class RetrieverEncoder:
    """A retriever of this package: loaded when it first encodes. max_length: tokens read; None for its own setting."""

    def __init__(self, spec: Spec, *, device: str, max_length: int | None = None) -> None:
        self.model = named_model(spec.source)
        self.truncated = 0
        self._spec, self._device, self._max_length = spec, device, max_length
        self._settings = _settings(spec)
        self._loaded: Retriever | None = None

    @property
    def dim(self) -> int:
        return self.retriever.dim

    @property
    def longest(self) -> int | None:
        return int(self.retriever.model.config.max_position_embeddings)

    @property
    def retriever(self) -> Retriever:
        """UserError where its files are others than when they were hashed: scores would be kept under another hash."""
        if self._loaded is None:
            layers = self._spec.options.layers
            self._loaded = load_retriever(
                self._spec.source, layers=layers, device=self._device, settings=self._settings
            )
            if self.model.revision != named_model(self._spec.source).revision:
                raise UserError(f"{self._spec.source} was changed while it was read, by training, say: evaluate again.")
        return self._loaded

    def reading(self, max_length: int | None) -> "RetrieverEncoder":
        """The same weights, in memory once, reading so many tokens."""
        other = copy(self)
        other._max_length, other._loaded, other.truncated = max_length, self.retriever, 0
        return other

    def identity(self, role: "Role") -> dict[str, Any]:
        return {
            "engine": "drama_train",
            "encoding": REVISION,
            "revision": self.model.revision,
            "layers": self._spec.options.layers,
            "settings": asdict(self._settings) if self._settings else "of the revision",
            "max_length": self._max_length,
            "role": role,
            "dtype": _dtype(self._device),
        }

    def encode(self, texts: Sequence[str], role: "Role") -> "NDArray[np.float32]":
        from builders.retrieval.encoders import unit_vectors

        tokens = self.retriever.token_ids(texts, role, self._max_length) if texts else []
        read = self._max_length or self.retriever.settings.max_length
        self.truncated += sum(len(row) == read for row in tokens)  # one that just fits is counted too
        return unit_vectors(self.retriever.vectors(tokens))

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return [len(row) for row in self.retriever.token_ids(texts, "document", 1 << 20)]

    def close(self) -> None:
        self._loaded = None


def _settings(spec: Spec) -> Settings | None:
    """Those of the folder with what the spec changes; None for a model of the Hub, which brings its own."""
    from pathlib import Path

    from builders.llm import smollm2

    options = spec.options
    if spec.source != smollm2.NAME and not Path(spec.source).is_dir():
        if options.attention or options.pooling:
            raise UserError(
                f"{spec.name}: the attention and pooling of a model of the Hub are its own: download it, and name the "
                "folder.",
                exit_code=2,
            )
        return None
    own = Settings() if spec.source == smollm2.NAME else read_settings(spec.source)
    return replace(own, attention=options.attention or own.attention, pooling=options.pooling or own.pooling)


def open_encoder(spec: Spec, *, device: str, max_length: int | None = None) -> TextEncoder:
    """The spec's encoder; nothing is loaded yet. A max_length beyond what sentence-transformers reads is lowered."""
    if spec.kind == "retriever":
        encoder = RetrieverEncoder(spec, device=device, max_length=max_length)
        if max_length is None or encoder.longest is None or max_length <= encoder.longest:
            return encoder
        say(f"{spec.name} reads {encoder.longest:,} tokens of a text, not {max_length:,}")
        return encoder.reading(encoder.longest)
    from builders.retrieval.encoders import EncoderOptions
    from builders.retrieval.sentence_transformers_encoder import SentenceTransformersEncoder

    options = EncoderOptions(model=spec.source, dtype=_dtype(device))
    if max_length is not None:
        longest = SentenceTransformersEncoder(options, device).longest
        if longest is not None and longest < max_length:
            say(f"{spec.name} reads {longest:,} tokens of a text, not {max_length:,}")
            max_length = longest
    return SentenceTransformersEncoder(replace(options, max_length=max_length), device)


def _dtype(device: str) -> Literal["float32", "bfloat16"]:
    return "bfloat16" if device.startswith("cuda") else "float32"
