"""A batch of prompts to token ids, with one key-value cache for the prefix that they share."""

import functools
import inspect
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from builders.llm.requests import Finish, Request
from builders.llm.token_sampling import Draw, choose, draw_for

if TYPE_CHECKING:
    import torch


@dataclass(slots=True)
class Row:
    """One request on its way through the model."""

    request: Request
    prompt: list[int]
    draw: Draw
    reply: list[int] = field(default_factory=list)
    # This row's share of the time that its batches took.
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first tokens of every prompt, and their keys and values (layers of 1 H P D). Empty: no cache."""

    tokens: tuple[int, ...]
    cache: Any


def make_row(request: Request, prompt: list[int]) -> Row:
    return Row(request, prompt, draw_for(request))


def shared_prefix(prompts: Sequence[list[int]]) -> tuple[int, ...]:
    """The longest start that all prompts share, short of any whole prompt: each row needs a token of its own."""
    # What the first and the last in order share, all between them share.
    low, high = min(prompts), max(prompts)
    limit = min(len(prompt) for prompt in prompts) - 1
    length = next((at for at in range(limit) if low[at] != high[at]), max(limit, 0))
    return tuple(low[:length])


def read_prefix(model: Any, tokens: tuple[int, ...]) -> Prefix:
    """Runs the model over the prefix once."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    if tokens:
        with torch.inference_mode():
            ids = torch.tensor([tokens], device=model.device)
            model(input_ids=ids, use_cache=True, logits_to_keep=1, **{cache_argument(): cache})
    return Prefix(tokens, cache)


@functools.cache
def cache_argument() -> str:
    """What the models of transformers call their key-value cache: `cache` since 5.24, `past_key_values` before."""
    from transformers import LlamaForCausalLM

    return "cache" if "cache" in inspect.signature(LlamaForCausalLM.forward).parameters else "past_key_values"


# A cached prefix that misses at most this many tokens of the one that a window shares is used again as it is.
_WORTH_A_NEW_PREFIX = 32


def next_prefix(model: Any, kept: Prefix, prompts: Sequence[list[int]]) -> Prefix:
    """The prefix that these prompts share. That of the window before is kept where it serves about as well."""
    shared, alone = shared_prefix(prompts), len(prompts) == 1
    length = len(kept.tokens)
    if shared[:length] == kept.tokens and (alone or len(shared) <= length + _WORTH_A_NEW_PREFIX):
        return kept
    return Prefix((), None) if alone else read_prefix(model, shared)


def spread(prefix: Prefix, rows: int) -> Any:
    """A cache of its own for a batch, that begins with the prefix in every row."""
    from transformers import DynamicCache

    cache = DynamicCache()
    if prefix.tokens:
        for layer, kept in enumerate(prefix.cache.layers):
            cache.update(kept.keys.expand(rows, -1, -1, -1), kept.values.expand(rows, -1, -1, -1), layer)
    return cache


def lay_out(
    suffixes: Sequence[list[int]], length: int, device: Any
) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
    """Ids (B S), mask (B P+S) and positions (B S) of a batch, as prefix | left pads | suffix; P is `length`."""
    import torch

    widest = max(len(suffix) for suffix in suffixes)
    pads = [widest - len(suffix) for suffix in suffixes]
    ids = [[0] * pad + suffix for pad, suffix in zip(pads, suffixes, strict=True)]
    seen = [[1] * length + [0] * pad + [1] * (widest - pad) for pad in pads]
    # A pad's position is never looked at; it only has to be one.
    positions = [[max(length, at - pad) for at in range(length, length + widest)] for pad in pads]
    ids_, seen_, positions_ = (torch.tensor(values, device=device) for values in (ids, seen, positions))
    return ids_, seen_, positions_


def decode(model: Any, rows: Sequence[Row], prefix: Prefix, stops: frozenset[int]) -> Iterator[tuple[Row, Finish]]:
    """Yields each row as it ends, by a token of `stops` or at its max_tokens; ended rows leave the batch."""
    batch = _Batch(model, rows, prefix)
    while batch.rows:
        yield from batch.step(stops)


class _Batch:
    """The cache, mask and last tokens of the rows that still run. The reply goes on behind the suffix."""

    def __init__(self, model: Any, rows: Sequence[Row], prefix: Prefix) -> None:
        self.rows = list(rows)
        self._model = model
        self._cache = spread(prefix, len(rows))
        length = len(prefix.tokens)
        suffixes = [row.prompt[length:] for row in rows]
        self._ids, self._mask, self._positions = lay_out(suffixes, length, model.device)

    def step(self, stops: frozenset[int]) -> list[tuple[Row, Finish]]:
        """One more token for every row. Returns those that are done."""
        import torch

        started = time.perf_counter()
        with torch.inference_mode():
            logits = (
                self._model(
                    input_ids=self._ids,
                    attention_mask=self._mask,
                    position_ids=self._positions,
                    use_cache=True,
                    logits_to_keep=1,
                    **{cache_argument(): self._cache},
                )
                .logits[:, -1]
                .float()
            )  # B V
            tokens = choose(logits, [row.draw for row in self.rows])  # B
        ended = self._append(tokens.tolist(), stops)
        keep = [at for at, row in enumerate(self.rows) if id(row) not in {id(done) for done, _ in ended}]
        share = len(self.rows)
        all_rows, self.rows = self.rows, [self.rows[at] for at in keep]
        if self.rows:
            self._go_on(tokens, keep, thinner=len(keep) < share)
        spent = (time.perf_counter() - started) / share
        for row in all_rows:
            row.seconds += spent
        return ended

    def _append(self, tokens: list[int], stops: frozenset[int]) -> list[tuple[Row, Finish]]:
        ended: list[tuple[Row, Finish]] = []
        for row, token in zip(self.rows, tokens, strict=True):
            if token in stops:
                ended.append((row, "stop"))
                continue
            row.reply.append(token)
            if len(row.reply) >= row.request.sampling.max_tokens:
                ended.append((row, "length"))
        return ended

    def _go_on(self, tokens: "torch.Tensor", keep: list[int], *, thinner: bool) -> None:
        import torch

        index = torch.tensor(keep, device=self._mask.device)
        if thinner:
            self._cache.batch_select_indices(index)
            self._mask = self._mask[index]
        self._ids = tokens[keep].unsqueeze(1).to(self._mask.device)  # B 1
        self._positions = self._positions[index, -1:] + 1
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(keep), 1)], dim=1)
