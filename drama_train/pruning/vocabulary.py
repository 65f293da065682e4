"""The vocabulary of a language model cut to what some languages use: embeddings are half of a small model's weights."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from drama_train.language_model import LanguageModel
from drama_train.pretraining.tokens import Tokens
from drama_train.pruning.byte_pairs import needed, new_numbers, rewritten

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COUNTED_AT_ONCE = 1 << 22  # tokens


def used_tokens(
    tokens: Tokens, tokenizer: Any, *, languages: Sequence[str] | None = None, at_least: int = 1
) -> "NDArray[np.int64]":
    """Numbers of the tokens to keep, ascending: those that the texts for training hold `at_least` so many times.

    With them come special tokens, the alphabet and inner tokens (byte_pairs.needed). languages: all where None.
    UserError where no text is in one of them, or the tokenizer is no plain BPE.
    """
    import numpy as np

    counts = token_counts(tokens, languages)
    return np.array(needed(tokenizer, np.flatnonzero(counts >= at_least)), dtype=np.int64)


def token_counts(tokens: Tokens, languages: Sequence[str] | None = None) -> "NDArray[np.int64]":
    """How often each token occurs in the blocks for training of those languages, up to the last that does."""
    import numpy as np

    counts = np.zeros(0, np.int64)
    for name in tokens.languages if languages is None else languages:
        blocks = tokens.language(name).train
        rows = max(1, COUNTED_AT_ONCE // tokens.block)
        for start in range(0, len(blocks), rows):
            found = np.bincount(blocks[start : start + rows].reshape(-1).astype(np.int64), minlength=len(counts))
            found[: len(counts)] += counts
            counts = found
    return counts


def cut_vocabulary(
    source: LanguageModel, tokens: Tokens, languages: Sequence[str] | None = None, *, at_least: int = 1
) -> tuple[LanguageModel, list[int]]:
    """The language model of the tokens that those languages use (used_tokens), and their numbers in the source.

    A token's new number is its place among these.
    """
    kept = used_tokens(tokens, source.tokenizer, languages=languages, at_least=at_least).tolist()
    made = LanguageModel(cut_embeddings(source.model, kept), rewritten(source.tokenizer, kept), source.revision)
    return made, kept


def cut_embeddings(model: Any, kept: Sequence[int]) -> Any:
    """A copy of a causal language model with those rows of embedding and head: tied ones stay tied.

    vocab_size and token numbers (BOS, EOS, padding) of its config and generation config are the new ones. UserError
    where one of them is not kept; ValueError where a number has no embedding, or they do not ascend.
    """
    import torch

    numbers = new_numbers(kept)
    rows = model.get_input_embeddings().num_embeddings
    if not numbers or min(numbers) < 0 or max(numbers) >= rows:
        raise ValueError(f"tokens to keep from {min(numbers, default=None)} to {max(numbers, default=None)} of {rows}")
    at = torch.tensor(list(numbers))
    memo: dict[int, Any] = {}
    for module in (model.get_input_embeddings(), model.get_output_embeddings()):
        weight = module.weight  # where tied, one and the same, which copying meets twice
        if id(weight) not in memo:
            cut = weight.detach()[at.to(weight.device)].clone()
            memo[id(weight)] = torch.nn.Parameter(cut, requires_grad=weight.requires_grad)
    made = copy.deepcopy(model, memo)
    embedding, head = made.get_input_embeddings(), made.get_output_embeddings()
    embedding.num_embeddings = head.out_features = len(numbers)
    made.vocab_size = made.model.vocab_size = made.config.vocab_size = len(numbers)
    for config in (made.config, made.generation_config):
        _renumber(config, numbers, rows)
    embedding.padding_idx = numbers.get(embedding.padding_idx)
    return made


def _renumber(config: Any, numbers: dict[int, int], rows: int) -> None:
    """The token numbers of a config, one or several to a name; one that no embedding has (-1 in old files) is none."""
    for name, old in list(vars(config).items()):
        if not name.endswith("_token_id") or old is None:
            continue
        given = [one for one in (old if isinstance(old, list) else [old]) if 0 <= one < rows]
        if lost := [one for one in given if one not in numbers]:
            raise UserError(
                f"The model's {name} is {lost[0]}, which its tokenizer calls no special token: correct config.json and "
                "generation_config.json, or the tokenizer."
            )
        new = [numbers[one] for one in given]
        setattr(config, name, (new or None) if isinstance(old, list) else next(iter(new), None))
