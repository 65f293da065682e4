"""The encoder: attention both ways by behaviour, pooling, and padding or neighbours that change nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, LlamaConfig, MistralConfig, Qwen3Config

from builders.cli.errors import UserError
from drama_train.loading import FAMILIES
from drama_train.training.encoder import encode, load_backbone, padded, pool, token_ids
from tests.llm.tiny_llama import write_tiny_llama

_SHAPE: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
}
_CONFIGS = {"llama": LlamaConfig, "mistral": MistralConfig, "qwen3": Qwen3Config}
ROWS = [[5, 9, 2, 7, 7, 31, 2], [8, 2], [11, 12, 13, 2]]


@pytest.fixture(scope="session", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer model of each family."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp(request.param)
    AutoModel.from_config(_CONFIGS[request.param](**_SHAPE)).save_pretrained(path)
    return path


def _states(model: Any, rows: list[list[int]]) -> torch.Tensor:
    ids, mask = padded(rows, 0)
    with torch.no_grad():
        states: torch.Tensor = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return states


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_last_token_moves_the_first_state_where_attention_goes_both_ways(folder: Path, attention: str) -> None:
    moved = {}
    for way in ("bidirectional", "causal"):
        model = load_backbone(str(folder), way)  # type: ignore[arg-type]
        model.set_attn_implementation(attention)
        one, other = _states(model, [[5, 9, 2, 7]]), _states(model, [[5, 9, 2, 8]])
        moved[way] = float((one - other)[0, 0].abs().max())
    assert moved["causal"] == 0
    assert moved["bidirectional"] > 1e-3


@pytest.mark.parametrize("pooling", ["mean", "eos"])
def test_padding_left_right_or_none_agree(folder: Path, pooling: Any) -> None:
    model = load_backbone(str(folder), "bidirectional", torch.float64)
    ids, mask = padded(ROWS, 0)
    with torch.no_grad():
        right = encode(model, ids, mask, pooling)
        alone = torch.cat([encode(model, *padded([row], 0), pooling) for row in ROWS])
        shifts = [ids.shape[1] - len(row) for row in ROWS]
        left = encode(
            model,
            torch.stack([row.roll(by) for row, by in zip(ids, shifts, strict=True)]),
            torch.stack([row.roll(by) for row, by in zip(mask, shifts, strict=True)]),
            pooling,
        )
    assert alone.std() > 0.01
    torch.testing.assert_close(right, alone, atol=1e-6, rtol=0)  # the norms and rotary angles are float32 inside
    torch.testing.assert_close(left, alone, atol=1e-5, rtol=0)


def test_what_stands_under_padding_and_who_is_the_neighbour_change_nothing(folder: Path) -> None:
    model = load_backbone(str(folder), "bidirectional")
    ids, mask = padded(ROWS, 0)
    other = ids.clone()
    other[1, 2:] = 77
    other[0] = 50
    with torch.no_grad():
        before, after = encode(model, ids, mask, "mean"), encode(model, other, mask, "mean")
    torch.testing.assert_close(before[1:], after[1:], atol=1e-6, rtol=0)
    assert (before[0] - after[0]).abs().max() > 1e-3


def test_pooling_by_hand() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [99.0, 99.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert pool(states, mask, "mean").tolist() == [[2.0, 3.0]]
    assert pool(states, mask, "eos").tolist() == [[3.0, 4.0]]
    assert pool(states, torch.tensor([[0, 1, 1]]), "eos").tolist() == [[99.0, 99.0]]
    assert pool(states.to(torch.bfloat16), mask, "mean").dtype == torch.float32


def test_texts_end_with_eos_and_are_cut_before_it(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(write_tiny_llama(tmp_path))
    long, short = token_ids(tokenizer, ["rivers of the north " * 20, "rivers"], 12)
    assert len(long) == 12
    assert long[-1] == short[-1] == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in (*long[:-1], *short[:-1])
    tokenizer.bos_token = "<|user|>"
    assert token_ids(tokenizer, ["rivers"], 12)[0] == [tokenizer.bos_token_id, *short]
    with pytest.raises(ValueError, match="no room"):
        token_ids(tokenizer, ["rivers"], 2)


def test_another_family_is_named(tmp_path: Path) -> None:
    from transformers import BertConfig

    BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="is a bert: give a llama, mistral or qwen3 model"):
        load_backbone(str(tmp_path), "bidirectional")
    with pytest.raises(UserError, match="cannot be read"):
        load_backbone(str(tmp_path / "nothing"), "bidirectional")


def test_the_first_layers_alone(folder: Path, tmp_path: Path) -> None:
    model = load_backbone(str(folder), "causal", layers=1)
    model.save_pretrained(tmp_path)
    again = load_backbone(str(tmp_path), "causal")
    assert len(model.layers) == len(again.layers) == 1
    assert torch.equal(_states(model, ROWS), _states(again, ROWS))
