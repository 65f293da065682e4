"""A model of fewer tokens: its logits are the kept columns of the whole one's, and it is read again as it was."""

import copy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from builders.cli.errors import UserError
from drama_train.language_model import LanguageModel, load_language_model, save_language_model
from drama_train.pretraining.texts import TextDocument
from drama_train.pretraining.tokens import Tokens, tokenized
from drama_train.pruning import vocabulary
from drama_train.pruning.byte_pairs import needed
from drama_train.pruning.vocabulary import cut_embeddings, cut_vocabulary, token_counts, used_tokens
from tests.llm.tiny_llama import one_thread
from tests.pretraining.making import as_texts, documents
from tests.pruning.bpe_making import byte_level, texts

FAMILIES = ("Llama", "Mistral", "Qwen3")
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def make_model(rows: int, *, family: str = "Llama", tied: bool = True, **ids: Any) -> Any:
    import transformers

    torch.manual_seed(0)
    ids = {"bos_token_id": 1, "eos_token_id": 0, "pad_token_id": 2} | ids
    config = getattr(transformers, f"{family}Config")(**SIZES, vocab_size=rows, tie_word_embeddings=tied, **ids)
    return getattr(transformers, f"{family}ForCausalLM")(config).eval()


@pytest.fixture(scope="module")
def source() -> LanguageModel:
    """More embeddings than tokens, as models have that round up their number."""
    tokenizer = byte_level()
    return LanguageModel(make_model(len(tokenizer) + 12), tokenizer, "abc")


@pytest.fixture(scope="module")
def tokens(source: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    given = [*documents(60), *(TextDocument(f"x/{n}", "und", text) for n, text in enumerate(texts(60)))]
    folder = tmp_path_factory.mktemp("tokens") / "tokens"
    return tokenized(folder, [as_texts(given)], source.tokenizer, block=16)


@pytest.mark.parametrize("at_once", [16, 1 << 22])
def test_counts_are_those_of_the_blocks(tokens: Tokens, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "COUNTED_AT_ONCE", at_once)
    for languages in (["de"], ["und", "en"], None):
        names = languages or list(tokens.languages)
        expected = Counter(int(one) for name in names for one in tokens.languages[name].train.reshape(-1))
        counts = token_counts(tokens, languages)
        assert {number: count for number, count in enumerate(counts) if count} == expected
        assert len(expected) > 30


def test_used_tokens_are_those_of_the_languages(tokens: Tokens, source: LanguageModel) -> None:
    counts = token_counts(tokens, ["en"])
    found = used_tokens(tokens, source.tokenizer, languages=["en"], at_least=3)
    assert found.tolist() == needed(source.tokenizer, np.flatnonzero(counts >= 3))
    rare = used_tokens(tokens, source.tokenizer, languages=["en"])
    everything = used_tokens(tokens, source.tokenizer)
    assert 0 < len(found) < len(rare) < len(everything) < len(source.tokenizer)
    assert set(found) < set(rare) < set(everything)
    with pytest.raises(UserError, match="No text is in the language dee"):
        used_tokens(tokens, source.tokenizer, languages=["dee"])


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_the_kept_columns(family: str, tied: bool) -> None:
    model = make_model(60, family=family, tied=tied)
    before = copy.deepcopy(model.state_dict())
    kept = [0, 1, 2, 5, 6, 30, 44, 59]
    cut = cut_embeddings(model, kept)
    ids = torch.randint(len(kept), (3, 9), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = model(input_ids=torch.tensor(kept)[ids]).logits
        logits = cut(input_ids=ids).logits
        states = [one.model(input_ids=i).last_hidden_state for one, i in ((cut, ids), (model, torch.tensor(kept)[ids]))]
    assert logits.shape == (3, 9, len(kept))
    assert torch.equal(*states)
    assert torch.allclose(logits, whole[..., kept], atol=1e-6)  # a narrower product is summed in another order
    assert float(logits.std()) > 0.01
    weights = cut.get_input_embeddings().weight, cut.get_output_embeddings().weight
    assert (weights[0] is weights[1]) == tied
    lost = sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in cut.parameters())
    assert lost == (60 - len(kept)) * 16 * (1 if tied else 2)
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items()), "the source is changed"
    assert (model.config.vocab_size, model.get_input_embeddings().num_embeddings) == (60, 60)


def test_a_cut_model_trains_alone() -> None:
    """It shares no weight with its source, and its loss, which is of its own number of tokens, has gradients."""
    model = make_model(60)
    cut = cut_embeddings(model, range(10))
    ids = torch.arange(10).view(1, 10)
    cut(input_ids=ids, labels=ids).loss.backward()
    with torch.no_grad():
        for one in cut.parameters():
            assert one.grad is not None and float(one.grad.abs().max()) > 0
            one.add_(1.0)
    assert all(one.grad is None for one in model.parameters())
    assert float(model.get_input_embeddings().weight.detach().mean()) < 0.5
    cut.resize_token_embeddings(12)
    assert cut.get_output_embeddings().weight.shape == (12, 16)


def test_token_numbers_of_the_configs_are_the_new_ones() -> None:
    model = make_model(60, bos_token_id=7, eos_token_id=[3, 50], pad_token_id=50)
    model.generation_config.eos_token_id = [50, 3]
    cut = cut_embeddings(model, [2, 3, 7, 50, 51])
    for config in (cut.config, cut.generation_config):
        assert (config.bos_token_id, config.pad_token_id) == (2, 3)
    assert (cut.config.eos_token_id, cut.generation_config.eos_token_id) == ([1, 3], [3, 1])
    assert cut.config.vocab_size == cut.vocab_size == cut.model.vocab_size == 5
    assert cut.get_input_embeddings().padding_idx == 3
    assert (model.config.bos_token_id, model.generation_config.eos_token_id) == (7, [50, 3])
    with pytest.raises(UserError, match="The model's bos_token_id is 7, which its tokenizer calls no special token"):
        cut_embeddings(model, [2, 3, 50])
    old = make_model(60, pad_token_id=None)
    old.config.pad_token_id = -1  # as in the first Llamas
    assert cut_embeddings(old, [0, 1]).config.pad_token_id is None


@pytest.mark.parametrize("kept", [[], [0, 60], [-1, 3], [3, 2], [1, 1]])
def test_tokens_without_embeddings_are_refused(kept: list[int]) -> None:
    with pytest.raises(ValueError, match=r"tokens to keep (from .* of 60|do not ascend)"):
        cut_embeddings(make_model(60), kept)


@pytest.mark.parametrize("tied", [True, False])
def test_saved_and_read_again_it_is_the_same(source: LanguageModel, tokens: Tokens, tied: bool, tmp_path: Path) -> None:
    model = source.model if tied else make_model(len(source.tokenizer) + 12, tied=False)
    cut, kept = cut_vocabulary(LanguageModel(model, source.tokenizer, "abc"), tokens, ["en", "de"], at_least=2)
    assert kept == used_tokens(tokens, source.tokenizer, languages=["de", "en"], at_least=2).tolist()
    assert cut.revision == "abc"
    save_language_model(cut, tmp_path)
    again = load_language_model(str(tmp_path))
    state = cut.model.state_dict()
    assert again.model.state_dict().keys() == state.keys()
    assert all(torch.equal(one, state[name]) for name, one in again.model.state_dict().items())
    assert again.model.config.tie_word_embeddings == tied
    assert again.model.config.vocab_size == len(kept) == len(again.tokenizer)
    for text in texts(10, seed=3):
        ids = torch.tensor([again.tokenizer(text)["input_ids"]])
        assert ids.tolist() == [cut.tokenizer(text)["input_ids"]]
        assert again.tokenizer.decode(ids[0]) == text
        with torch.no_grad():
            whole = model(input_ids=torch.tensor(kept)[ids]).logits[..., kept]
            assert torch.allclose(again.model(input_ids=ids).logits, whole, atol=1e-6)
