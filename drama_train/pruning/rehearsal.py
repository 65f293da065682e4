"""What pruning would make, need and take: shapes and counts exactly, time and memory from a few measured steps."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drama_train.language_model import load_language_model
from drama_train.pretraining.reading import read_tokens
from drama_train.pruning.making import check_target
from drama_train.pruning.shape import Shape, counted, expansion
from drama_train.pruning.showing import show_cut
from drama_train.training.processes import peak_memory, rank, tell, world_size
from drama_train.training.run_log import clock

if TYPE_CHECKING:
    from drama_train.pretraining.tokens import Tokens
    from drama_train.prune import Prune

_DOCUMENTS = 100  # of each language, for the measured steps
_STEPS = 3  # measured, after one that is not


def rehearse(config: "Prune", device: str) -> None:
    """Tell all that; nothing stays on the disk."""
    language_model = load_language_model(config.model, device=device)
    source, target = check_target(config, language_model)
    if rank() == 0:
        show_cut(source, target, counted(language_model.model), language_model.model)
    if config.vocabulary:
        tell("The embeddings are those of all tokens: which stay is found by reading all texts.")
    limit = min(_DOCUMENTS, config.reading.limit or _DOCUMENTS)
    with tempfile.TemporaryDirectory() as folder:
        reading = replace(config.reading, limit=limit)
        tokens = read_tokens(reading, Path(folder) / "tokens", language_model.tokenizer)
        step, steps = _step_of(config, language_model.model, source, target, tokens)
        if step is None:
            tell(f"{config.pick} reads no text: seconds.")
            return
        seconds = _seconds(step)
    tell(
        f"{config.pick}: {steps:,} steps of {seconds:.2f} s here, about {clock(seconds * steps)}, and as much again to "
        f"read and measure; the most memory so far: {peak_memory(language_model.model.device) / 1e9:.1f} GB"
    )


def _step_of(
    config: "Prune", model: Any, source: Shape, target: Shape, tokens: "Tokens"
) -> tuple[Callable[[], None] | None, int]:
    """A step as the pick makes them, on real text, and how many it makes."""
    import torch

    from drama_train.pruning.picking import SAMPLE, TOKENS_AT_ONCE, gated_of, l0_plan

    name = next(iter(tokens.languages))
    count = len(tokens.languages[name].train)

    def ids(size: int) -> torch.Tensor:
        return torch.as_tensor(tokens.blocks(name, [row % count for row in range(size)])).to(model.device)

    kv_heads = source.kv_heads * expansion(source, target)
    if config.pick == "importance":
        from drama_train.pruning.importance import importance

        length = min(SAMPLE, tokens.block)
        size = max(1, TOKENS_AT_ONCE // length)
        pieces = ids(size)[:, :length]
        return lambda: _done(importance(model, [pieces], kv_heads)), -(-config.samples // size)
    if config.pick != "l0":
        return None, 0
    from drama_train.pruning.l0 import l0_step, make_optimizer

    plan = l0_plan(config.learning, model.device.type, config.seed)
    gated = gated_of(model, target, config.seed).train()
    optimizer = make_optimizer(gated, plan)
    return lambda: _done(l0_step(gated, gated, optimizer, plan, 1, ids(plan.batch // world_size()))), plan.steps


def _done(_result: object) -> None:
    """A step's result is not needed."""


def _seconds(step: Callable[[], None]) -> float:
    step()
    start = time.perf_counter()
    for _ in range(_STEPS):
        step()
    return (time.perf_counter() - start) / _STEPS
