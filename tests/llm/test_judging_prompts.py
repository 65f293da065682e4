"""The prompts that judge: a ranking of what was shown, or the likelihood of an answer that is given."""

from collections.abc import Callable
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.llm.prompts import Prompt, load_prompt
from builders.llm.rankings import parse_ranking
from builders.llm.requests import Model
from builders.store.resources import folder

MODEL = Model("tiny", "1")
Load = Callable[..., Prompt]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a shipped prompt with some of its text replaced."""

    def load(name: str, *changes: tuple[str, str]) -> Prompt:
        text = (folder("prompts") / f"{name}.toml").read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / f"{name}.toml").write_text(text)
        return load_prompt(str(tmp_path / f"{name}.toml"))

    return load


def test_the_answer_of_the_listwise_example_is_a_complete_ranking_and_not_the_order_shown() -> None:
    prompt = load_prompt("listwise_ranking")
    answers = [turn["content"] for turn in prompt.opening if turn["role"] == "assistant"]
    assert len(answers) == 1
    assert parse_ranking(answers[0], 3).parse == "complete"
    assert parse_ranking(answers[0], 3).order != (0, 1, 2)
    assert prompt.sampling.temperature == 0
    assert prompt.reply_schema() is None


def test_a_request_for_a_likelihood_ends_with_the_answer() -> None:
    prompt = load_prompt("query_likelihood")
    request = prompt.request({"passage": "Snow is {{ cold }}.", "query": "what is {% snow %}"}, MODEL, 0)
    user, answer = request.messages[-2:]
    assert (user["role"], user["content"]) == ("user", "Passage: Snow is {{ cold }}.")
    assert (answer["role"], answer["content"]) == ("assistant", "what is {% snow %}")
    assert request.reply_schema is None
    assert prompt.request({"passage": "Snow is {{ cold }}.", "query": "another"}, MODEL, 0).key != request.key


@pytest.mark.parametrize(
    "wrong", ["[3] > [1]", "[3] > [1] > [4]", "[3] > [1] > [2] > [4]", "[3], [1], [2]", "[3]>[1]>[2]"]
)
def test_an_example_that_is_no_complete_ranking_of_its_passages_is_refused(load: Load, wrong: str) -> None:
    assert load("listwise_ranking").name == "listwise_ranking"
    with pytest.raises(UserError, match=r"answer of example 1 .* \(ranking\)"):
        load("listwise_ranking", ("[3] > [1] > [2]", wrong))


def test_an_empty_answer_has_no_likelihood(load: Load) -> None:
    with pytest.raises(UserError, match=r"answer of example 1 .* \(likelihood\)"):
        load("query_likelihood", ('"why does my homemade cheese taste bitter"', '" "'))
