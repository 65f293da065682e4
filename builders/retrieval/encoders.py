"""The encoder that a command line asks for, and what every encoder is: texts in, unit vectors out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from builders.cli.errors import UserError
from builders.llm.engine_args import read_engine_args
from builders.llm.requests import Model

Role = Literal["query", "document"]
EncoderName = Literal["sentence-transformers", "vllm", "openai"]
Dtype = Literal["auto", "float32", "float16", "bfloat16"]


class Encoder(Protocol):
    """Anything that makes vectors. `truncated` counts the texts so far that were longer than the model reads."""

    model: Model
    truncated: int

    @property
    def dim(self) -> int: ...

    def identity(self, role: Role) -> dict[str, Any]:
        """Everything that determines the vectors of that role, as JSON. Loads nothing."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        """(n, dim), each of length 1, in the order of the texts. Raises UnusableVectors, EngineStopped, UserError."""
        ...

    def close(self) -> None: ...


class UnusableVectors(Exception):
    """The model made vectors that hold NaN or infinity, or are zero. `rows` are those of the texts."""

    def __init__(self, rows: Sequence[int]) -> None:
        super().__init__(f"{len(rows)} vectors hold NaN or infinity, or are zero")
        self.rows = list(rows)


@dataclass(frozen=True)
class EncoderOptions:
    """Which retriever encodes, and how."""

    encoder: EncoderName = "sentence-transformers"
    """sentence-transformers: in this process; vllm: vLLM's pooling in this process; openai: any /embeddings server."""
    model: str = "minilm"
    """A model id, a folder, or minilm (all-MiniLM-L6-v2 from its wheel)."""
    revision: str | None = None
    """The model's revision: a commit of the Hub, or your own word for what a server serves."""
    query_prompt: str | None = None
    """What is put before each query. None: the model's own (sentence-transformers), or nothing."""
    document_prompt: str | None = None
    """What is put before each document, likewise."""
    max_length: int | None = None
    """Tokens that the model reads of a text; the rest is cut and counted. None: as many as the model can."""
    dtype: Dtype = "auto"
    """The model's number type. auto: bfloat16 on a GPU, float32 on a CPU."""
    batch_size: int = 32
    """Texts in a batch, or in a request."""
    base_url: str = "http://127.0.0.1:8000/v1"
    """openai: the server."""
    api_key_env: str = "OPENAI_API_KEY"
    """openai: the environment variable that holds the key."""
    concurrency: int = 16
    """openai: requests in flight."""
    timeout: float = 120.0
    """openai: seconds to wait for one answer before it is asked for again."""
    engine_args: str = "{}"
    """vllm: any arguments of vLLM's engine, as JSON. openai: extra fields of every request, as JSON."""

    def __post_init__(self) -> None:
        if self.encoder != "sentence-transformers" and self.model == "minilm":
            raise UserError(f"The --encoder {self.encoder} needs --model: name what it serves.", exit_code=2)
        for name in ("batch_size", "concurrency", "max_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"The --{name.replace('_', '-')} {value} is too small: give 1 or more.", exit_code=2)
        if not 0 < self.timeout < math.inf:
            raise UserError(f"The --timeout {self.timeout:g} gets no answer: give a number of seconds.", exit_code=2)
        read_engine_args(self.engine_args)


def make_encoder(options: EncoderOptions) -> Encoder:
    """The encoder; it loads its model when it first encodes. The caller closes it."""
    if options.encoder == "openai":
        from builders.retrieval.openai_encoder import OpenAIEncoder

        return OpenAIEncoder(options)
    if options.encoder == "vllm":
        from builders.retrieval.vllm_encoder import VLLMEncoder

        return VLLMEncoder(options)
    from builders.retrieval.sentence_transformers_encoder import SentenceTransformersEncoder

    return SentenceTransformersEncoder(options)


def shown(model: Model) -> Model:
    """The model as manifests name it: a folder by its last part."""
    return Model(Path(model.id).resolve().name, model.revision) if Path(model.id).is_dir() else model


def identity_of(options: EncoderOptions, model: Model, role: Role, dtype: str) -> dict[str, Any]:
    """What determines a vector. A prompt or length of None is the model's own, which its revision pins."""
    return {
        "engine": options.encoder,
        "model": model.id,
        "revision": model.revision,
        "prompt": options.query_prompt if role == "query" else options.document_prompt,
        # The model's own prompts differ by role; a prompt that is given does not.
        "role": role if _own_prompt(options, role) else None,
        "max_length": options.max_length,
        "dtype": dtype,
        "normalised": True,
        "arguments": read_engine_args(options.engine_args),
    }


def resolved(dtype: Dtype) -> str:
    """The number type itself, which determines vectors: auto is another one on another machine."""
    if dtype != "auto":
        return dtype
    try:
        import torch
    except ImportError:
        return "float32"
    return "bfloat16" if torch.cuda.is_available() else "float32"


def _own_prompt(options: EncoderOptions, role: Role) -> bool:
    given = options.query_prompt if role == "query" else options.document_prompt
    return given is None and options.encoder == "sentence-transformers"


def unit_vectors(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Each of length 1. Raises UnusableVectors."""
    single = np.ascontiguousarray(vectors, dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(single.astype(np.float64), axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0))
    if len(bad):
        raise UnusableVectors(bad.tolist())
    unit: NDArray[np.float32] = (single / lengths).astype(np.float32)
    return unit


def same_dim(vectors: NDArray[Any], dim: int | None, model: Model) -> int:
    """The dimension of the vectors; UserError where it is not the one that the model had before."""
    if dim is not None and vectors.shape[1] != dim:
        raise UserError(
            f"The model {model.id} answered with {vectors.shape[1]} dimensions after {dim}: the server changed its "
            "model; name the one that you want with --model and --revision, and run this again."
        )
    return int(vectors.shape[1])
