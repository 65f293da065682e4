"""Shapes: what is read, what fits, and how many parameters it has, by formula and by tensors."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.cli.errors import UserError
from drama_train.pruning.shape import (
    PRESETS,
    Shape,
    block_parameters,
    check_openable,
    counted,
    expansion,
    head_dim_of,
    parse_shape,
    shape_of,
)
from tests.pruning.making import FAMILIES, SHAPE, Family, make_model

LLAMA_1B = Shape(16, 2048, 32, 8, 8192)
SMOLLM2 = Shape(30, 576, 9, 3, 1536)


@st.composite
def _shapes(draw: st.DrawFn) -> Shape:
    kv_heads, group = draw(st.integers(1, 40)), draw(st.integers(1, 8))
    return Shape(
        draw(st.integers(1, 200)),
        draw(st.integers(1, 20_000)),
        kv_heads * group,
        kv_heads,
        draw(st.integers(1, 60_000)),
    )


@given(_shapes())
def test_a_shape_is_read_as_it_is_told(shape: Shape) -> None:
    assert parse_shape(str(shape)) == shape
    assert shape.group * shape.kv_heads == shape.heads


def test_presets_are_read_by_name() -> None:
    assert parse_shape("0.1B") == parse_shape("12x768X12x12x3072") == Shape(12, 768, 12, 12, 3072)
    assert parse_shape("demo") == PRESETS["demo"] and parse_shape("0.3b") == Shape(16, 1024, 16, 16, 4096)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", r"The shape  cannot be read: give 0\.1b, 0\.3b, demo, or layers x hidden"),
        ("0.2b", "cannot be read"),
        ("12x768x12x12", "cannot be read"),
        ("12x768x12x12x3072x1", "cannot be read"),
        ("12x768x12x12x-1", "cannot be read"),
        ("1e3x768x12x12x9", "cannot be read"),
        ("0x768x12x12x3072", "The shape 0x768x12x12x3072 has no layers: give 1 or more"),
        ("12x768x12x0x3072", "has no kv_heads: give 1 or more"),
        ("12x768x12x8x3072", "12 heads do not share 8 kv heads evenly; give a divisor of the heads"),
        ("12x768x4x8x3072", "4 heads do not share 8 kv heads evenly"),
    ],
)
def test_what_is_no_shape_is_told_in_a_sentence(text: str, fault: str) -> None:
    with pytest.raises(UserError, match=fault) as found:
        parse_shape(text)
    _is_one_sentence(found.value)


def _is_one_sentence(fault: UserError) -> None:
    told = str(fault)
    assert fault.exit_code == 2 and told.endswith(".") and "\n" not in told and ". " not in told


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        (LLAMA_1B, PRESETS["0.1b"], 4),  # 12 kv heads of 32, which 8 could not be cut to
        (LLAMA_1B, PRESETS["0.3b"], 4),
        (LLAMA_1B, Shape(12, 768, 12, 6, 3072), 1),  # two heads of six groups
        (LLAMA_1B, Shape(12, 768, 24, 12, 3072), 2),  # two heads of twelve groups
        (LLAMA_1B, Shape(12, 768, 32, 8, 3072), 1),
        (LLAMA_1B, Shape(12, 768, 8, 8, 3072), 4),
        (SMOLLM2, PRESETS["demo"], 3),
        (SMOLLM2, Shape(12, 384, 9, 3, 1024), 1),
        (SMOLLM2, Shape(12, 384, 6, 3, 1024), 1),
        (SMOLLM2, Shape(12, 384, 3, 1, 1024), 1),
        (SMOLLM2, SMOLLM2, 1),
    ],
)
def test_how_often_kv_heads_are_repeated(source: Shape, target: Shape, factor: int) -> None:
    assert expansion(source, target) == factor


@settings(max_examples=300)
@given(_shapes(), _shapes())
def test_what_is_not_refused_fits(source: Shape, target: Shape) -> None:
    target = replace(target, layers=1 + target.layers % source.layers, hidden=1 + target.hidden % source.hidden)
    target = replace(target, intermediate=1 + target.intermediate % source.intermediate)
    try:
        factor = expansion(source, target)
    except UserError as fault:
        _is_one_sentence(fault)
        # by brute force: no number of kv heads has enough of them, with enough heads each
        numbers = [n for n in range(1, source.heads + 1) if source.heads % n == 0 and n % source.kv_heads == 0]
        assert not any(target.kv_heads <= n and target.group <= source.heads // n for n in numbers)
        return
    assert source.group % factor == 0
    assert target.kv_heads <= source.kv_heads * factor and target.group <= source.group // factor


@pytest.mark.parametrize(
    ("source", "target", "fault"),
    [
        (SMOLLM2, "31x576x9x3x1536", "has 31 layers, and the model has 30: pruning only takes away"),
        (SMOLLM2, "30x577x9x3x1536", "has 577 hidden, and the model has 576"),
        (SMOLLM2, "30x576x12x3x1536", "has 12 heads, and the model has 9"),
        (SMOLLM2, "30x576x9x3x2000", "has 2000 intermediate, and the model has 1536"),
        (SMOLLM2, "30x576x8x4x1536", "has 2 heads for each of 4 kv heads, and cannot be cut from 3 for each of 3"),
        (SMOLLM2, "30x576x8x2x1536", "has 4 heads for each of 2 kv heads, and cannot be cut from 3 for each of 3"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(source: Shape, target: str, fault: str) -> None:
    with pytest.raises(UserError, match=fault) as found:
        expansion(source, parse_shape(target))
    _is_one_sentence(found.value)


def test_what_transformers_would_not_open_is_refused() -> None:
    """Its config of a Llama raises; those of the others do not."""
    import transformers

    shape = Shape(2, 25, 8, 4, 40)
    with pytest.raises(UserError, match="has 8 heads and 25 hidden, and transformers opens no Llama") as found:
        check_openable(shape, "llama")
    _is_one_sentence(found.value)
    for family in ("mistral", "qwen3"):
        check_openable(shape, family)
    check_openable(replace(shape, hidden=24), "llama")
    sizes = {"hidden_size": 25, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 4}
    assert transformers.MistralConfig(**sizes).hidden_size == transformers.Qwen3Config(**sizes).hidden_size == 25
    with pytest.raises(Exception, match="not a multiple of the number of attention heads"):
        transformers.LlamaConfig(**sizes)


def test_the_papers_shapes_have_the_papers_parameters() -> None:
    """Of the 0.1B its weights' file tells so too: 211.77M with 98.5M embeddings, in 847 MB."""
    assert block_parameters(PRESETS["0.1b"], 64) == 113_265_408
    assert block_parameters(PRESETS["0.3b"], 64) == 268_469_248
    assert (block_parameters(PRESETS["0.1b"], 64) + 128_256 * 768) * 4 == pytest.approx(847.1e6, rel=1e-4)
    assert block_parameters(LLAMA_1B, 64) == pytest.approx(0.973e9, rel=1e-3)


@settings(max_examples=25)
@given(_shapes(), st.integers(1, 40), st.booleans(), st.sampled_from(FAMILIES))
def test_parameters_are_those_of_the_tensors(shape: Shape, half: int, tied: bool, family: Family) -> None:
    import transformers

    shape = replace(shape, layers=1 + shape.layers % 3, hidden=shape.hidden * (shape.heads if family == "llama" else 1))
    name = {"llama": "Llama", "mistral": "Mistral", "qwen3": "Qwen3"}[family]
    config = getattr(transformers, f"{name}Config")(
        vocab_size=77,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=2 * half,
        tie_word_embeddings=tied,
    )
    with torch.device("meta"):
        model = getattr(transformers, f"{name}ForCausalLM")(config)
    found = counted(model)
    assert found == {
        "blocks": block_parameters(shape, 2 * half, head_norms=family == "qwen3"),
        "embeddings": 77 * shape.hidden,
        "head": 0 if tied else 77 * shape.hidden,
    }
    assert sum(found.values()) == model.num_parameters()
    assert shape_of(config) == shape and head_dim_of(config) == 2 * half


def test_a_config_without_a_head_dim_shares_the_hidden_dimensions() -> None:
    class Config:
        hidden_size, num_attention_heads, head_dim = 24, 8, None

    assert head_dim_of(Config()) == 3
    del Config.head_dim
    assert head_dim_of(Config()) == 3


def test_a_backbone_without_a_head_is_counted() -> None:
    model: Any = make_model().model
    assert counted(model)["head"] == 0 and counted(model)["blocks"] == block_parameters(SHAPE, 4)
