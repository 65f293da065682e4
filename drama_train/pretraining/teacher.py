"""The model that a pruned one was cut from: what the cut kept of its tokens, and its states where it teaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from drama_train.language_model import LanguageModel

if TYPE_CHECKING:
    from torch import Tensor


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


def teacher_of(
    source: LanguageModel,
    name: str,
    student: LanguageModel,
    pruning: Mapping[str, Any] | None,
    weight: float,
    temperature: float,
) -> Teacher:
    """UserError where a token of the student is another one of the teacher's."""
    numbers = source_numbers(source, name, student, pruning)
    head = source.model.get_output_embeddings().weight.detach()
    model = source.model.eval().requires_grad_(False)
    return Teacher(model, numbers, head if numbers is None else head[numbers].contiguous(), weight, temperature)


def source_numbers(
    source: LanguageModel, name: str, student: LanguageModel, pruning: Mapping[str, Any] | None
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
    kept = _kept(pruning) or range(sizes[1])
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


def _kept(pruning: Mapping[str, Any] | None) -> Sequence[int] | None:
    """Of each token the source's number of it, as pruning.json tells; None where no token was cut."""
    tokens = pruning.get("tokens") if pruning else None
    if tokens is None:
        return None
    if not (isinstance(tokens, list) and all(type(one) is int and one >= 0 for one in tokens)):
        raise UserError("The tokens in the model's pruning.json are no list of numbers: prune the model again.")
    return tokens
