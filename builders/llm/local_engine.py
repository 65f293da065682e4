"""transformers in this process behind generate(requests) -> replies: the embedded default, for a CPU or one GPU."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from builders.cli.errors import UserError
from builders.llm.decoding import Prefix, Row, decode, make_row, next_prefix
from builders.llm.number_types import fastest_dtype
from builders.llm.requests import Finish, Model, Reply, Request
from builders.llm.weights import weights_of


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How the model is run."""

    # Requests read ahead and sorted by length, so that a batch needs little padding.
    window: int = 256
    # Tokens that a batch may hold: rows times (prompt + max_tokens). 0.75 GB of keys and values for SmolLM2.
    batch_tokens: int = 32_768
    batch_rows: int = 32
    # auto: what is fastest there.
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    # None: a GPU where there is one.
    device: str | None = None
    prefix_cache: bool = True


def load_model(
    model: Model, dtype: str, device: str | None, say: Callable[[str], None] | None = None
) -> tuple[Any, Any]:
    """The tokenizer and the causal language model, ready to be run. UserError where there is no chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading takes a fifth of a second; the stage shows its own progress
    source, revision = weights_of(model, say)
    tokenizer: Any = AutoTokenizer.from_pretrained(source, revision=revision)
    if not tokenizer.chat_template:
        raise UserError(f"The model {model.id} has no chat template: name an instruction-tuned one with --model.")
    chosen = getattr(torch, fastest_dtype(device) if dtype == "auto" else dtype)
    loaded: Any = AutoModelForCausalLM.from_pretrained(source, revision=revision, dtype=chosen)
    return tokenizer, loaded.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()


class LocalEngine:
    """A causal language model. `reply_schema` is ignored: the prompt asks for the form, and the parser copes.

    Replies come in the order in which they are done. Raises UserError where the model has no chat template.
    """

    def __init__(
        self, model: Model, options: LocalOptions | None = None, say: Callable[[str], None] | None = None
    ) -> None:
        self.model = model
        self._options = options or LocalOptions()
        self._tokenizer, self._model = load_model(model, self._options.dtype, self._options.device, say)
        self._longest: int = self._model.config.max_position_embeddings
        self._stops = _stop_tokens(self._tokenizer, self._model)
        self._prefix = Prefix((), None)

    def generate(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """One reply for every request, a window of them at a time."""
        source = iter(requests)
        while window := list(itertools.islice(source, self._options.window)):
            rows: list[Row] = []
            for request in window:
                row = make_row(request, self._prompt(request))
                if len(row.prompt) + request.sampling.max_tokens > self._longest:
                    yield self._too_long(row)
                else:
                    rows.append(row)
            yield from self._window(rows)

    def close(self) -> None:
        """Lets go of the weights. May be called twice."""
        self._model = None
        self._prefix = Prefix((), None)

    def _window(self, rows: list[Row]) -> Iterator[Reply]:
        started = time.perf_counter()
        prefix = self._prefix_of(rows)
        for row in rows:
            row.seconds += (time.perf_counter() - started) / len(rows)
        # Longest first: what does not fit into memory shows at once.
        rows.sort(key=lambda row: -len(row.prompt))
        for batch in batches(rows, self._options.batch_tokens, self._options.batch_rows):
            for row, finish in decode(self._model, batch, prefix, self._stops):
                yield self._reply(row, finish)

    def _prefix_of(self, rows: list[Row]) -> Prefix:
        if not self._options.prefix_cache or not rows:
            return Prefix((), None)
        prefix = next_prefix(self._model, self._prefix, [row.prompt for row in rows])
        self._prefix = prefix if prefix.tokens else self._prefix
        return prefix

    def _prompt(self, request: Request) -> list[int]:
        messages = [dict(message) for message in request.messages]
        tokens: list[int] = self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        return tokens

    def _reply(self, row: Row, finish: Finish) -> Reply:
        text = self._tokenizer.decode(row.reply, skip_special_tokens=True)
        # The token that ended a reply was generated too.
        made = len(row.reply) + (finish == "stop")
        return Reply(row.request.key, text, finish, "", len(row.prompt), made, row.seconds)

    def _too_long(self, row: Row) -> Reply:
        asked = f"{len(row.prompt)} prompt tokens and {row.request.sampling.max_tokens} for the reply"
        detail = f"{asked} do not fit into the model's {self._longest}"
        return Reply(row.request.key, "", "context_too_long", detail, len(row.prompt), 0, 0.0)


def batches(rows: list[Row], tokens: int, most: int) -> Iterator[list[Row]]:
    """Cuts rows, longest first, so that rows times the longest prompt and reply stay within `tokens`."""
    batch: list[Row] = []
    widest = 0
    for row in rows:
        needs = max(widest, len(row.prompt) + row.request.sampling.max_tokens)
        if batch and (len(batch) >= most or needs * (len(batch) + 1) > tokens):
            yield batch
            batch, needs = [], len(row.prompt) + row.request.sampling.max_tokens
        batch.append(row)
        widest = needs
    if batch:
        yield batch


def _stop_tokens(tokenizer: Any, model: Any) -> frozenset[int]:
    stops = model.generation_config.eos_token_id
    listed = stops if isinstance(stops, list) else [stops]
    return frozenset(token for token in [*listed, tokenizer.eos_token_id] if token is not None)
