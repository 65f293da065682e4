"""The law: a masked model computes what the sliced one does; and what a sliced model is made of."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from builders.cli.errors import UserError
from drama_train.pruning import slicing
from drama_train.pruning.gqa import expanded
from drama_train.pruning.hooks import masked
from drama_train.pruning.masks import Keep, Masks, everything, masks_of
from drama_train.pruning.shape import Shape, counted, shape_of
from drama_train.pruning.slicing import sliced
from tests.pruning.making import (
    FAMILIES,
    SHAPE,
    VOCABULARY,
    Family,
    ids_of,
    make_model,
    random_keep,
    soft_gates,
)

# (times that each of 4 kv heads stands there, target): two layers of three, at random
CUTS = {
    "groups kept": (1, Shape(2, 15, 4, 2, 21)),
    "a head of each group": (1, Shape(2, 15, 2, 2, 21)),
    "one kv head": (1, Shape(2, 15, 2, 1, 21)),
    "expanded": (2, Shape(2, 15, 3, 3, 21)),
    "expanded, all heads": (2, Shape(2, 15, 8, 8, 21)),
    "layers alone": (1, replace(SHAPE, layers=1)),
    "hidden alone": (1, replace(SHAPE, hidden=7)),
    "intermediate alone": (1, replace(SHAPE, intermediate=1)),
}


def _made(cut: str, family: Family = "llama", **settings: Any) -> tuple[Any, Keep, Shape]:
    factor, target = CUTS[cut]
    model = expanded(make_model(family, **settings), factor)
    return model, random_keep(model.config, target, SHAPE.kv_heads * factor, seed=3), target


def _largest_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """As a part of the largest logit. The logits are of many sizes, or nothing is compared."""
    assert one.std() > 0.1
    return float((one - other).abs().max() / one.abs().max())


def _compared(model: Any, keep: Keep, gates: Masks | None) -> float:
    ids = ids_of()
    with torch.no_grad():
        with masked(model, masks_of(keep, model.config, gates)):
            expected = model(ids).logits
        return _largest_difference(expected, sliced(model, keep, gates)(ids).logits)


@pytest.mark.parametrize("is_soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize(
    ("cut", "family"),
    [(cut, "llama") for cut in CUTS]
    + [(cut, family) for cut in ("groups kept", "expanded") for family in ("mistral", "qwen3")],
)
def test_masked_is_sliced(wide_norms: None, cut: str, family: Family, tied: bool, is_soft: bool) -> None:
    model, keep, _ = _made(cut, family, tied=tied)
    assert _compared(model, keep, soft_gates(model.config) if is_soft else None) < 1e-10


@pytest.mark.parametrize("is_soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("cut", ["groups kept", "expanded"])
def test_masked_is_sliced_in_float32(cut: str, family: Family, is_soft: bool) -> None:
    model, keep, _ = _made(cut, family, dtype=torch.float32)
    assert _compared(model, keep, soft_gates(model.config, dtype=torch.float32) if is_soft else None) < 1e-5


def test_masked_is_sliced_of_a_layer_that_is_left_out_by_its_gate(wide_norms: None) -> None:
    """What stands in the other masks of that layer is nothing to either."""
    model, keep, _ = _made("groups kept")
    (dropped,) = set(range(SHAPE.layers)) - set(keep.layers)
    masks = masks_of(keep, model.config)
    for one in (masks.head, masks.intermediate):
        assert one is not None and not one[dropped].any()
        one[dropped] = 1
    ids = ids_of()
    with torch.no_grad(), masked(model, masks):
        assert _largest_difference(model(ids).logits, sliced(model, keep)(ids).logits) < 1e-10


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_the_hidden_gate_folded_into_the_head_too_breaks_the_law(
    wide_norms: None, monkeypatch: pytest.MonkeyPatch, tied: bool
) -> None:
    """The published code does so, and says of it that it hardly matters: with gates near 1 it does not."""
    model, keep, _ = _made("groups kept", tied=tied)
    gates = soft_gates(model.config)
    assert _compared(model, keep, gates) < 1e-10
    own = slicing._outer

    def twice(name: str, tensor: Any, *rest: Any) -> Any:
        return own(name.replace("lm_head", "head"), tensor, *rest)

    monkeypatch.setattr(slicing, "_outer", twice)
    assert _compared(model, keep, gates) > 0.05


@pytest.mark.parametrize("left", ["layer", "hidden", "head", "intermediate"])
def test_each_gate_is_folded_where_it_acts(wide_norms: None, left: str) -> None:
    """Gates of one family alone; without them the logits are others."""
    model, keep, _ = _made("expanded")
    gates = Masks(**{left: getattr(soft_gates(model.config), left)})
    assert _compared(model, keep, gates) < 1e-10
    with torch.no_grad():
        assert (
            _largest_difference(sliced(model, keep, gates)(ids_of()).logits, sliced(model, keep)(ids_of()).logits)
            > 0.01
        )


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("gates", [None, "soft"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_saved_is_what_plain_transformers_loads(
    family: Family, tied: bool, gates: str | None, tmp_path: Path
) -> None:
    """config.json says what the tensors are; tied embeddings stay tied, and are untied where a gate is folded."""
    from transformers import AutoModelForCausalLM

    model, keep, target = _made("expanded", family, tied=tied, dtype=torch.float32)
    made = sliced(model, keep, soft_gates(model.config) if gates else None)
    assert shape_of(made.config) == target
    made.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        sizes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - it is no dictionary
    attention = "model.layers.1.self_attn."
    assert sizes[attention + "q_proj.weight"] == [config["num_attention_heads"] * config["head_dim"], 15] == [12, 15]
    assert sizes[attention + "k_proj.weight"] == [config["num_key_value_heads"] * config["head_dim"], 15] == [12, 15]
    assert sizes[attention + "o_proj.weight"] == [config["hidden_size"], 12]
    assert sizes["model.layers.0.mlp.up_proj.weight"] == [config["intermediate_size"], 15] == [21, 15]
    assert sizes["model.embed_tokens.weight"] == [config["vocab_size"], 15] == [VOCABULARY, 15]
    assert len({name.split(".")[2] for name in sizes if "layers" in name}) == config["num_hidden_layers"] == 2
    assert config["tie_word_embeddings"] is (tied and not gates)
    assert ("lm_head.weight" in sizes) is not config["tie_word_embeddings"]
    loaded, told = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not told["missing_keys"] | told["unexpected_keys"] | told["mismatched_keys"]
    assert (loaded.lm_head.weight is loaded.model.embed_tokens.weight) is (tied and not gates)
    assert (made.lm_head.weight is made.model.embed_tokens.weight) is (tied and not gates)
    assert counted(loaded) == counted(made)
    with torch.no_grad():
        assert torch.equal(loaded(ids_of()).logits, made(ids_of()).logits)


def test_layer_types_and_windows_are_those_of_the_layers_that_stay() -> None:
    model = make_model("qwen3")
    whole = everything(model.config)
    keep = replace(whole, layers=(1, 2), heads=whole.heads[:2], intermediate=whole.intermediate[:2])
    made = sliced(model, keep)
    assert made.config.layer_types == ["sliding_attention", "full_attention"]
    assert [layer.self_attn.sliding_window for layer in made.model.layers] == [4, None]


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_kept_is_the_same_model_and_the_source_is_left_as_it_is(family: Family) -> None:
    model = make_model(family, tied=family != "mistral")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    config = model.config.to_dict()
    made = sliced(model, everything(model.config))
    with torch.no_grad():
        assert torch.equal(made(ids_of()).logits, model(ids_of()).logits)
        for parameter in made.parameters():
            parameter.zero_()
    assert model.config.to_dict() == config == made.config.to_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_sliced_model_is_as_the_source_otherwise() -> None:
    """Its type, whether it trains, how it generates, how it turns positions; it writes what the masked one writes."""
    scaled = {
        "rope_type": "llama3",
        "rope_theta": 500.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    model, keep, _ = _made("groups kept", rope_parameters=scaled, dtype=torch.bfloat16)
    model.generation_config.max_length = 17
    model.generation_config.temperature = 0.25
    made = sliced(model, keep)
    assert made.dtype == torch.bfloat16 and not made.training and sliced(model.train(), keep).training
    assert made.generation_config.to_dict() == model.generation_config.to_dict()
    assert made.generation_config is not model.generation_config
    assert made.config.use_cache is model.config.use_cache is True
    assert made.config.rope_parameters["rope_type"] == "llama3"
    for name, buffer in model.named_buffers():
        assert torch.equal(made.get_buffer(name), buffer) and not made.get_buffer(name).is_meta
    wide, made = (one.float().eval() for one in (model, made))
    with masked(wide, masks_of(keep, model.config)):
        expected = wide.generate(ids_of(1, 3), do_sample=False)
    assert torch.equal(made.generate(ids_of(1, 3), do_sample=False), expected)
    assert expected.shape == (1, 17) or expected[0, -1] == 2


@pytest.mark.parametrize("flag", ["attention_bias", "mlp_bias"])
def test_biases_are_refused_by_name(flag: str) -> None:
    model = make_model(**{flag: True})
    with pytest.raises(
        UserError, match=r"^The model has model\.layers\.0\.\w+\.\w+_proj\.bias, and pruning knows no biases"
    ):
        sliced(model, everything(model.config))


def test_layers_that_keep_unequal_heads_are_refused() -> None:
    model = make_model()
    keep = replace(everything(model.config), heads=((0, 1, 2),) * SHAPE.layers)
    with pytest.raises(ValueError, match="unequal numbers of heads"):
        sliced(model, keep)


def test_nothing_is_drawn_nor_held_beside_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model of billions of parameters a second one, that is thrown away, does not fit beside it."""
    model, keep, _ = _made("groups kept", dtype=torch.float32)
    with _Allocated() as seen:
        sliced(model, keep)
    assert 0 < seen.largest <= VOCABULARY * 24
    assert seen.elements < 3 * sum(p.numel() for p in model.parameters())


class _Allocated:
    """Elements of the tensors that operations made outside of the meta device."""

    def __enter__(self) -> "_Allocated":
        from torch.utils._python_dispatch import TorchDispatchMode

        self.elements, self.largest = 0, 0
        outer = self

        class Mode(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
                made = func(*args, **(kwargs or {}))
                if isinstance(made, torch.Tensor) and not made.is_meta:
                    outer.elements += made.numel()
                    outer.largest = max(outer.largest, made.numel())
                return made

        self.mode = Mode()
        self.mode.__enter__()
        return self

    def __exit__(self, *fault: Any) -> None:
        self.mode.__exit__(*fault)
