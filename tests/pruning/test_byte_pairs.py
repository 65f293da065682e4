"""A cut tokenizer: kept texts are encoded as before, any other still is, and it survives saving."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.cli.errors import UserError
from drama_train.pruning.byte_pairs import definition, inner_tokens, needed, rewritten
from tests.pruning.bpe_making import LOOKED_UP, byte_fallback, byte_level, ignoring_merges, texts

KINDS = {"byte_level": byte_level, "byte_fallback": byte_fallback, "ignore_merges": ignoring_merges}
SEEN = texts(12)
OTHER = texts(40, seed=9)


@pytest.fixture(scope="module", params=list(KINDS))
def whole(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]()


@pytest.fixture(scope="module")
def kept(whole: Any) -> list[int]:
    return needed(whole, _used(whole))


@pytest.fixture(scope="module")
def cut(whole: Any, kept: list[int]) -> Any:
    return rewritten(whole, kept)


def _used(tokenizer: Any) -> set[int]:
    return {number for text in SEEN for number in _ids(tokenizer, text)}


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def test_texts_of_kept_tokens_are_encoded_as_before(whole: Any, kept: list[int], cut: Any) -> None:
    assert len(cut) == len(kept) < len(whole)
    same = longer = 0
    for text in [*SEEN, *OTHER]:
        before, now = _ids(whole, text), _ids(cut, text)
        if set(before) <= set(kept):
            assert [kept[number] for number in now] == before
            assert cut(text)["input_ids"] == [kept.index(number) for number in whole(text)["input_ids"]]
            same += 1
        else:
            longer += len(now) > len(before)
        assert cut.decode(now) == whole.decode(before) == text
    assert same >= len(SEEN) and longer > 0


def test_inner_tokens_are_what_keeps_them_so(whole: Any, kept: list[int]) -> None:
    """Without one of them, some text of kept tokens comes out otherwise: the law does not hold by itself."""
    defined, used = definition(whole), _used(whole)
    ranks = {(a, b): rank for rank, (a, b) in enumerate(defined["model"]["merges"])}
    vocabulary = defined["model"]["vocab"]
    inner = {
        vocabulary[part]
        for token, number in vocabulary.items()
        if number in used
        for part in inner_tokens(token, ranks)
    }
    unseen = {number for number in inner - used if len(whole.convert_ids_to_tokens(number)) > 1}
    assert unseen and unseen <= set(kept)
    without = [number for number in kept if number not in unseen]
    poorer = rewritten(whole, without)
    assert any([without[number] for number in _ids(poorer, text)] != _ids(whole, text) for text in SEEN)


@settings(max_examples=60)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_is_encoded(text: str) -> None:
    for tokenizer, smaller in _cut_pairs():
        assert smaller.decode(_ids(smaller, text)) == tokenizer.decode(_ids(tokenizer, text))


def _cut_pairs(made: list[Any] = []) -> list[Any]:  # noqa: B006 - hypothesis calls the test many times
    if not made:
        made += [(one, rewritten(one, needed(one, _used(one)))) for one in (kind() for kind in KINDS.values())]
    return made


def test_special_tokens_and_lengths_stay(whole: Any, kept: list[int], cut: Any) -> None:
    assert cut.special_tokens_map == whole.special_tokens_map
    assert cut.extra_special_tokens == whole.extra_special_tokens
    for name in ("bos", "eos", "pad", "unk"):
        old, new = getattr(whole, f"{name}_token_id"), getattr(cut, f"{name}_token_id")
        assert new is None if old is None else kept[new] == old
    assert (cut.model_max_length, cut.padding_side) == (whole.model_max_length, whole.padding_side)
    assert set(whole.all_special_ids) <= set(kept)
    spelled = f"{SEEN[0]}{whole.eos_token}{SEEN[1]}"
    assert [kept[number] for number in _ids(cut, spelled)] == _ids(whole, spelled)
    assert cut.eos_token_id in _ids(cut, spelled)


def test_saved_and_read_again_it_is_the_same(cut: Any, whole: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    whole.chat_template = "{{ messages }}"
    cut.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.chat_template is None
    assert again.get_vocab() == cut.get_vocab()
    for text in [*SEEN, *OTHER]:
        assert again(text)["input_ids"] == cut(text)["input_ids"]
    assert (again.special_tokens_map, again.model_max_length) == (cut.special_tokens_map, cut.model_max_length)
    assert again.backend_tokenizer.to_str() == cut.backend_tokenizer.to_str()


def test_a_word_that_is_looked_up_is_kept_without_merges() -> None:
    tokenizer = ignoring_merges()
    [number] = _ids(tokenizer, LOOKED_UP)
    kept = needed(tokenizer, [number])
    assert [kept[one] for one in _ids(rewritten(tokenizer, kept), LOOKED_UP)] == [number]
    poorer = rewritten(tokenizer, [one for one in kept if one != number])
    assert len(_ids(poorer, LOOKED_UP)) > 1 and poorer.decode(_ids(poorer, LOOKED_UP)) == LOOKED_UP


def test_inner_tokens_follow_the_order_of_merges() -> None:
    ranks = {("b", "c"): 0, ("a", "b"): 1, ("a", "bc"): 2, ("ab", "cd"): 3}
    assert inner_tokens("abc", ranks) == {"a", "b", "c", "bc", "abc"}
    assert inner_tokens("abcd", ranks) == set(), "cd is never made"
    assert inner_tokens("aa", {("a", "a"): 0}) == {"a", "aa"}
    assert inner_tokens("aaa", {("a", "a"): 0, ("aa", "a"): 1}) == {"a", "aa", "aaa"}


def test_without_bytes_every_character_is_kept() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", "<eos>"], show_progress=False)
    inner.train_from_iterator(texts(50), trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>", unk_token="<unk>")
    kept = needed(tokenizer, [])
    tokens = tokenizer.convert_ids_to_tokens(kept)
    assert {"<unk>", "<eos>"} < set(tokens) == {t for t in tokenizer.get_vocab() if len(t) == 1} | {"<unk>", "<eos>"}
    assert rewritten(tokenizer, kept).convert_ids_to_tokens(range(len(kept))) == tokens


def _other_models() -> dict[str, Callable[[], Any]]:
    from tokenizers import models

    return {
        "Unigram": lambda: models.Unigram([("<eos>", 0.0), ("river", -1.0)], 0),
        "WordPiece": lambda: models.WordPiece({"<eos>": 0, "river": 1}, unk_token="<eos>"),
        "prefix": lambda: models.BPE({"<eos>": 0, "##a": 1}, [], continuing_subword_prefix="##"),
        "suffix": lambda: models.BPE({"<eos>": 0, "a</w>": 1}, [], end_of_word_suffix="</w>"),
    }


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Unigram", "vocabulary of a Unigram tokenizer cannot be cut"),
        ("WordPiece", "vocabulary of a WordPiece tokenizer cannot be cut"),
        ("prefix", "marks parts of words by '##'"),
        ("suffix", "marks parts of words by '</w>'"),
    ],
)
def test_other_models_are_refused(kind: str, words: str) -> None:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(_other_models()[kind]())
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>")
    for call in (lambda: needed(tokenizer, [0]), lambda: rewritten(tokenizer, [0, 1])):
        with pytest.raises(UserError, match=words):
            call()


def test_a_slow_tokenizer_is_refused() -> None:
    with pytest.raises(UserError, match=r"The tokenizer \(dict\) is no fast one"):
        needed({}, [0])


def test_numbers_that_cannot_be_kept_are_refused(whole: Any, kept: list[int]) -> None:
    with pytest.raises(ValueError, match=r"added token .* is not kept"):
        rewritten(whole, [number for number in kept if number != whole.eos_token_id])
    with pytest.raises(ValueError, match="number 99999"):
        rewritten(whole, [*kept, 99999])
    with pytest.raises(ValueError, match="do not ascend"):
        rewritten(whole, kept[::-1])


def test_old_files_write_a_merge_as_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = byte_level()
    kept = needed(tokenizer, _used(tokenizer))
    defined = definition(tokenizer)
    defined["model"]["merges"] = [" ".join(pair) for pair in defined["model"]["merges"]]

    class Older:
        def to_str(self) -> str:
            return json.dumps(defined)

    class Shown:
        backend_tokenizer = Older()

        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

    assert needed(Shown(), _used(tokenizer)) == kept
