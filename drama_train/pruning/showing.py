"""What pruning tells before and after the cut."""

import math
from collections.abc import Mapping
from typing import Any

from builders.cli.progress import say
from drama_train.pruning.shape import FIELDS, Shape, block_parameters, head_dim_of

MILLION = 1e6


def show_cut(source: Shape, target: Shape, before: Mapping[str, int], model: Any) -> None:
    """Shapes and parameters. before: those of the source; model: it again, its vocabulary cut where that is asked."""
    head_dim = head_dim_of(model.config)
    blocks = block_parameters(target, head_dim, head_norms=model.config.model_type == "qwen3")
    embeddings = model.config.vocab_size * target.hidden
    say("             source     target")
    for name in FIELDS:
        say(f"{name:<13}{getattr(source, name):>6,}{getattr(target, name):>11,}")
    say(f"{'head dim':<13}{head_dim:>6,}{head_dim:>11,}")
    say(f"{'blocks':<11}{before['blocks'] / MILLION:>7.1f}M{blocks / MILLION:>10.2f}M")
    say(f"{'embeddings':<11}{before['embeddings'] / MILLION:>7.1f}M{embeddings / MILLION:>10.2f}M")
    if before["head"]:
        say(f"{'head':<11}{before['head'] / MILLION:>7.1f}M{embeddings / MILLION:>10.2f}M")


def losses_told(losses: Mapping[str, Mapping[str, float]]) -> str:
    """Held-out nats a token and perplexities, a line a language."""
    lines = [f"{'held out':<12}" + "".join(f"{name:>10}{'(ppl)':>12}" for name in losses)]
    for language in sorted({code for one in losses.values() for code in one}):
        told = "".join(
            f"{one[language]:>10.3f}{_perplexity(one[language]):>12}" if language in one else f"{'':>22}"
            for one in losses.values()
        )
        lines.append(f"{language:<12}{told}")
    return "\n".join(lines)


def _perplexity(loss: float) -> str:
    """In so few signs that it fits its column."""
    value = math.exp(min(loss, 700))
    return f"{value:,.1f}" if value < 1e6 else f"{value:.1e}"
