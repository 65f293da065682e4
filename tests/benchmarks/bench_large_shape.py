"""A random model in the shape of Llama-3.2-1B, its vocabulary small, cut to the paper's 0.1B: counts, the law, time, memory.

python -m tests.benchmarks.bench_large_shape --pick magnitude
"""

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import torch

from drama_train.pruning import plain_scores
from drama_train.pruning.gqa import expanded
from drama_train.pruning.hooks import masked
from drama_train.pruning.importance import importance
from drama_train.pruning.masks import choose, masks_of
from drama_train.pruning.shape import PRESETS, Shape, block_parameters, counted, expansion, shape_of
from drama_train.pruning.slicing import sliced

SOURCE, VOCABULARY, HEAD_DIM = Shape(16, 2048, 32, 8, 8192), 1_000, 64
TEXTS, LENGTH = 2, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="0.1b", choices=("0.1b", "0.3b"))
    parser.add_argument("--pick", default="magnitude", choices=("magnitude", "random", "importance"))
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    target = PRESETS[asked.shape]
    model = _timed("made", lambda: _model(getattr(torch, asked.dtype)))
    factor = expansion(SOURCE, target)
    kv_heads = SOURCE.kv_heads * factor
    ids = torch.randint(VOCABULARY, (TEXTS, LENGTH), generator=torch.Generator().manual_seed(1))

    def scores() -> Any:
        if asked.pick == "importance":
            return importance(model, [ids], kv_heads)
        if asked.pick == "random":
            return plain_scores.random(model.config, kv_heads, 0)
        return plain_scores.magnitude(model, kv_heads)

    keep = choose(_timed(f"scored by {asked.pick}", scores), SOURCE, target, kv_heads)
    wide = _timed(f"kv heads {SOURCE.kv_heads} -> {kv_heads}", lambda: expanded(model, factor))
    small = _timed("sliced", lambda: sliced(wide, keep))
    found = counted(small)
    assert shape_of(small.config) == target
    assert (
        found["blocks"]
        == block_parameters(target, HEAD_DIM)
        == sum(p.numel() for p in small.model.parameters()) - (VOCABULARY * target.hidden)
    )
    print(
        f"{counted(model)['blocks'] / 1e6:,.2f}M -> {found['blocks'] / 1e6:,.2f}M without embeddings; {shape_of(small.config)}"
    )
    with torch.no_grad():
        plain, grown = (
            _timed(name, lambda one=one: one(ids).logits) for name, one in (("source", model), ("expanded", wide))
        )
        with masked(wide, masks_of(keep, wide.config)):
            expected = _timed("masked forward", lambda: wide(ids).logits)
        logits = _timed("sliced forward", lambda: small(ids).logits)
    for name, one, other in (("expanded, source", grown, plain), ("sliced, masked", logits, expected)):
        difference = float((one - other).abs().max() / other.abs().max())
        print(
            f"{name}: the largest difference is {difference:.1e} of the largest logit, {float(other.abs().max()):.2f}"
        )


def _model(dtype: torch.dtype) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=SOURCE.hidden,
        intermediate_size=SOURCE.intermediate,
        num_hidden_layers=SOURCE.layers,
        num_attention_heads=SOURCE.heads,
        num_key_value_heads=SOURCE.kv_heads,
        head_dim=HEAD_DIM,
        max_position_embeddings=131_072,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 32.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    )
    torch.set_default_dtype(dtype)
    try:
        return LlamaForCausalLM(config).eval()
    finally:
        torch.set_default_dtype(torch.float32)


def _timed(name: str, make: Callable[[], Any]) -> Any:
    start, cpu = time.perf_counter(), time.process_time()
    made = make()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(
        f"{name:<22} {time.perf_counter() - start:6.1f} s, {time.process_time() - cpu:6.1f} s of CPU; peak {peak:.1f} GB",
        flush=True,
    )
    return made


if __name__ == "__main__":
    main()
