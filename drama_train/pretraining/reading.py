"""Which texts are read, and how: flags that pruning and pre-training share."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError

if TYPE_CHECKING:
    from drama_train.pretraining.tokens import Tokens


@dataclass(frozen=True)
class Reading:
    """The texts, and what part of them a model sees."""

    texts: tuple[str, ...]
    """Releases (folders or hf://owner/name@v1.0.0), files and folders that builders.corpus reads, or hub:owner/name."""
    length: int = 512
    """Tokens of a block of text."""
    weights: tuple[str, ...] = ()
    """LANGUAGE=WEIGHT: only these languages, in these shares. Not given: all, by --balance."""
    balance: float = 1.0
    """Each language comes by blocks ** balance: 1 by blocks, 0 all alike."""
    heldout: float = 0.02
    """The share of documents that is held out, to measure losses on."""
    limit: int | None = None
    """Rehearse: at most so many documents of each language."""

    def __post_init__(self) -> None:
        if not self.texts:
            raise UserError("--texts names no text: name releases, files or folders after it.", exit_code=2)
        if not self.length >= 8:
            raise UserError(f"The --length {self.length} leaves no room for a text: give 8 or more.", exit_code=2)
        if not (0 <= self.balance <= 1 and 0 < self.heldout < 0.5):
            raise UserError("A --balance is from 0 to 1, and a --heldout between 0 and 0.5.", exit_code=2)
        if self.limit is not None and self.limit < 1:
            raise UserError(f"The --limit {self.limit} leaves no document: give 1 or more.", exit_code=2)
        self.by_language()

    def by_language(self) -> dict[str, float]:
        """{language: weight} of --weights."""
        found = {}
        for given in self.weights:
            name, equals, weight = given.partition("=")
            if name in found:
                raise UserError(f"--weights names {name} twice: give it one weight.", exit_code=2)
            try:
                found[name] = float(weight)
            except ValueError:
                equals = ""
            if not (equals and name):
                raise UserError(f"--weights {given} cannot be read: write it like de=2.", exit_code=2)
        return found

    def check_length(self, model: Any, name: str) -> None:
        """UserError where a block is longer than the positions of the model, one of transformers."""
        positions = int(model.config.max_position_embeddings)
        if self.length > positions:
            raise UserError(
                f"The model {name} has {positions:,} positions, and --length asks for {self.length:,}: give a "
                "smaller one.",
                exit_code=2,
            )


def read_tokens(reading: Reading, folder: Path, tokenizer: Any) -> "Tokens":
    """The texts as blocks of tokens, written into the folder once. UserError as `open_texts` and `tokenized` tell."""
    from drama_train.pretraining.texts import open_texts
    from drama_train.pretraining.tokens import tokenized

    texts = [open_texts(place) for place in reading.texts]
    return tokenized(folder, texts, tokenizer, block=reading.length, heldout=reading.heldout, limit=reading.limit)
