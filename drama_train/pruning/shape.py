"""The shape of a Llama: how many of each unit, what fits into what, and how many parameters that is (DRAMA 3.2)."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from builders.cli.errors import UserError

FIELDS = ("layers", "hidden", "heads", "kv_heads", "intermediate")


@dataclass(frozen=True)
class Shape:
    """Sizes of the whole model; heads, kv heads and intermediate dimensions are those of each layer."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int

    def __str__(self) -> str:
        return "x".join(str(size) for size in asdict(self).values())

    @property
    def group(self) -> int:
        """Query heads for each kv head."""
        return self.heads // self.kv_heads


# The paper states no kv heads for its 0.3B: 16 are inferred, and count 268.5M parameters where it says 265M.
PRESETS = {
    "0.1b": Shape(12, 768, 12, 12, 3072),
    "0.3b": Shape(16, 1024, 16, 16, 4096),
    "demo": Shape(4, 384, 6, 6, 1024),
}


def parse_shape(given: str) -> Shape:
    """A preset's name, or layers x hidden x heads x kv heads x intermediate as in 12x768x12x12x3072. UserError."""
    if given.lower() in PRESETS:
        return PRESETS[given.lower()]
    sizes = re.fullmatch(r"(\d{1,9})x(\d{1,9})x(\d{1,9})x(\d{1,9})x(\d{1,9})", given.lower())
    if sizes is None:
        raise UserError(
            f"The shape {given} cannot be read: give {', '.join(PRESETS)}, or layers x hidden x heads x kv heads x "
            "intermediate as in 12x768x12x12x3072.",
            exit_code=2,
        )
    shape = Shape(*map(int, sizes.groups()))
    for name in FIELDS:
        if getattr(shape, name) < 1:
            raise UserError(f"The shape {given} has no {name}: give 1 or more.", exit_code=2)
    if shape.heads % shape.kv_heads:
        raise UserError(
            f"The shape {given} cannot be: {shape.heads} heads do not share {shape.kv_heads} kv heads evenly; give a "
            "divisor of the heads.",
            exit_code=2,
        )
    return shape


def shape_of(config: Any) -> Shape:
    """Of a config of transformers."""
    return Shape(
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.num_key_value_heads,
        config.intermediate_size,
    )


def head_dim_of(config: Any) -> int:
    """Never pruned: rotary embeddings pair its dimensions."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def expansion(source: Shape, target: Shape) -> int:
    """How often each kv head of the source is repeated, which changes nothing, before heads are cut.

    A target with one kv head a head expands wholly, so that every head is cut with its own keys and values; one that
    shares them keeps the source's groups where these reach. UserError where the target does not fit.
    """
    for name in ("layers", "hidden", "heads", "intermediate"):
        if getattr(target, name) > getattr(source, name):
            raise UserError(
                f"The shape {target} has {getattr(target, name)} {name}, and the model has {getattr(source, name)}: "
                "pruning only takes away.",
                exit_code=2,
            )
    if target.group == 1:
        return source.group
    divisors = [number for number in range(1, source.group + 1) if source.group % number == 0]
    for factor in divisors:
        if target.kv_heads <= source.kv_heads * factor and target.group <= source.group // factor:
            return factor
    raise UserError(
        f"The shape {target} has {target.group} heads for each of {target.kv_heads} kv heads, and cannot be cut from "
        f"{source.group} for each of {source.kv_heads}: give at most {source.group} heads a kv head and at most "
        f"{source.kv_heads} kv heads, or as many kv heads as heads.",
        exit_code=2,
    )


def check_openable(target: Shape, family: str) -> None:
    """UserError where transformers opens no model of that shape: of a Llama, heads divide the hidden dimensions."""
    if family == "llama" and target.hidden % target.heads:
        raise UserError(
            f"The shape {target} has {target.heads} heads and {target.hidden} hidden, and transformers opens no Llama "
            "whose heads do not divide its hidden dimensions: give a multiple.",
            exit_code=2,
        )


def block_parameters(shape: Shape, head_dim: int, *, head_norms: bool = False) -> int:
    """All but embeddings and head: projections, norms, and the last norm. 113.27M of the paper's 0.1B.

    head_norms: of queries and keys, as Qwen3 has them.
    """
    attention = 2 * shape.hidden * head_dim * (shape.heads + shape.kv_heads)
    norms = 2 * shape.hidden + (2 * head_dim if head_norms else 0)
    return shape.layers * (attention + 3 * shape.hidden * shape.intermediate + norms) + shape.hidden


def counted(model: Any) -> dict[str, int]:
    """Of a model of transformers, by its tensors: without embeddings and head, of the embeddings, of an untied head."""
    embeddings = model.get_input_embeddings().weight
    head = model.get_output_embeddings()
    own_head = head is not None and head.weight is not embeddings
    total = sum(parameter.numel() for parameter in model.parameters())  # a tied tensor is one
    heads = int(head.weight.numel()) if own_head else 0
    return {"blocks": total - embeddings.numel() - heads, "embeddings": int(embeddings.numel()), "head": heads}
