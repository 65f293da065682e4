"""A teacher's tokens are those of the student, through what pruning.json tells, or it is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from builders.cli.errors import UserError
from drama_train.language_model import LanguageModel, load_language_model
from drama_train.pretraining.teacher import source_numbers, teacher_of
from drama_train.pretraining.tokens import Tokens
from drama_train.pruning.vocabulary import cut_vocabulary

Cut = tuple[LanguageModel, list[int]]


@pytest.fixture
def source(tiny_folder: Path) -> LanguageModel:
    return load_language_model(str(tiny_folder))


@pytest.fixture
def cut(source: LanguageModel, small_tokens: Tokens) -> Cut:
    """The same model of the tokens that some texts use, and their numbers in the source."""
    made, kept = cut_vocabulary(source, small_tokens, ["en"], at_least=3)
    assert 200 < len(kept) < max(kept) < 500
    return made, kept


def test_the_same_tokens_need_no_numbers(source: LanguageModel) -> None:
    assert source_numbers(source, "tiny", source, None) is None
    teacher = teacher_of(source, "tiny", source, None, 0.5, 1.0)
    assert teacher.numbers is None and not any(one.requires_grad for one in teacher.model.parameters())


def test_a_cut_vocabulary_is_read_through_pruning_json(source: LanguageModel, cut: Cut) -> None:
    small, kept = cut
    teacher = teacher_of(source, "tiny", small, {"tokens": kept}, 0.5, 1.0)
    ids = torch.arange(len(kept))[None, 100:130]
    with torch.no_grad():
        expected = source.model(torch.tensor(kept)[ids]).logits[..., kept]
    torch.testing.assert_close(teacher.states(ids) @ teacher.head.T, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (lambda kept: None, r"token \d+ is .* and that of tiny is .*: give the model that it was pruned from"),
        (lambda kept: kept[:-1], r"has \d+ tokens, which are no part of the 512 of tiny"),
        (lambda kept: [*kept[:-1], 512], r"has \d+ tokens, which are no part of the 512 of tiny"),
        (lambda kept: [*kept[:99], kept[100], kept[99], *kept[101:]], r"token (99|100) is .* and that of tiny is"),
        (lambda kept: ["4"], r"tokens in the model's pruning.json are no list of numbers"),
        (lambda kept: 4, r"tokens in the model's pruning.json are no list of numbers"),
    ],
)
def test_other_tokens_are_refused(
    source: LanguageModel, cut: Cut, wrong: Callable[[list[int]], Any], fault: str
) -> None:
    small, kept = cut
    assert source_numbers(source, "tiny", small, {"tokens": kept}) is not None
    with pytest.raises(UserError, match=fault):
        source_numbers(source, "tiny", small, {"tokens": wrong(kept)})
