"""The model that a pruned one was cut from: what the cut kept of its tokens, and its states where it teaches."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from drama_train.language_model import LanguageModel

if TYPE_CHECKING:
    from torch import Tensor

PRUNING = "pruning.json"


@dataclass(frozen=True)
class Pruning:
    """What pruning.json tells. content: the file, which goes with every model that comes of this one."""

    source: str
    tokens: tuple[int, ...] | None
    """Of each token the source's number of it; None where none was cut."""
    content: bytes


@dataclass(frozen=True, eq=False)
class Teacher:
    """numbers (V,): of each of the student's tokens the teacher's; head (V, E): the teacher's rows of those tokens.

    numbers is None where they are the same.
    """

    model: Any
    numbers: "Tensor | None"
    head: "Tensor"
    weight: float
    temperature: float

    def states(self, ids: "Tensor") -> "Tensor":
        """(B, T) of the student's tokens -> (B, T, E), without a gradient."""
        import torch

        with torch.no_grad():
            mapped = ids if self.numbers is None else self.numbers[ids]
            states: Tensor = self.model.get_decoder()(input_ids=mapped, use_cache=False).last_hidden_state
        return states


def read_pruning(folder: str | Path) -> Pruning | None:
    """None where the folder has no pruning.json. UserError where it is damaged."""
    path = Path(folder) / PRUNING
    if not path.is_file():
        return None
    content = path.read_bytes()
    try:
        told = json.loads(content)
        tokens = told["tokens"]
        if tokens is not None and not (
            isinstance(tokens, list) and all(type(one) is int and one >= 0 for one in tokens)
        ):
            raise ValueError("its tokens are no list of numbers")
        return Pruning(str(told["source"]["id"]), None if tokens is None else tuple(tokens), content)
    except (ValueError, KeyError, TypeError) as fault:
        raise UserError(f"{path} is damaged ({fault}): prune the model again.") from None


def teacher_of(
    source: LanguageModel, name: str, student: LanguageModel, pruning: Pruning | None, weight: float, temperature: float
) -> Teacher:
    """UserError where a token of the student is another one of the teacher's."""
    numbers = source_numbers(source, name, student, pruning)
    head = source.model.get_output_embeddings().weight.detach()
    model = source.model.eval().requires_grad_(False)
    return Teacher(model, numbers, head if numbers is None else head[numbers].contiguous(), weight, temperature)


def source_numbers(
    source: LanguageModel, name: str, student: LanguageModel, pruning: Pruning | None
) -> "Tensor | None":
    """(V,) the source's number of each of the student's tokens; None where they are the same.

    name: of the source, for the UserError where a token is another one, or the sizes differ.
    """
    import torch

    sizes = [one.model.get_input_embeddings().num_embeddings for one in (source, student)]
    theirs = {number: token for token, number in source.tokenizer.get_vocab().items()}
    ours = {number: token for token, number in student.tokenizer.get_vocab().items()}
    if sizes[0] == sizes[1] and theirs == ours:
        return None
    kept = pruning.tokens if pruning and pruning.tokens is not None else range(sizes[1])
    if len(kept) != sizes[1] or max(kept) >= sizes[0]:
        raise UserError(
            f"The model has {sizes[1]:,} tokens, which are no part of the {sizes[0]:,} of {name}: give the model that "
            "it was pruned from."
        )
    for number, token in ours.items():
        if theirs.get(kept[number]) != token:
            raise UserError(
                f"The model's token {number} is {token!r} and that of {name} is {theirs.get(kept[number])!r}: give the "
                "model that it was pruned from."
            )
    return torch.tensor(kept, device=next(source.model.parameters()).device)
