"""The engine that a command line asks for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.llm.engine_args import read_engine_args
from builders.llm.number_types import fastest_dtype
from builders.llm.requests import Engine, Model, served_model


@dataclass(frozen=True)
class EngineOptions:
    """Which engine answers, with which model."""

    engine: Literal["local", "openai", "vllm"] = "local"
    """local: transformers in this process; openai: any OpenAI-compatible server; vllm: vLLM in this process."""
    model: str | None = None
    """A model id, a folder, or smollm2 (from its wheel, the default of local)."""
    revision: str | None = None
    """The model's revision: a commit of the Hub, or your own word for what a server serves."""
    base_url: str = "http://127.0.0.1:8000/v1"
    """openai: the server. Its key is read from the environment variable that --api-key-env names."""
    api_key_env: str = "OPENAI_API_KEY"
    """openai: the environment variable that holds the key."""
    concurrency: int = 64
    """openai: requests in flight."""
    timeout: float = 600.0
    """openai: seconds to wait for one reply before it is asked for again."""
    structured: Literal["auto", "json_schema", "json_object", "none"] = "auto"
    """openai: how the server takes a reply schema; auto tries them in this order on the first request."""
    engine_args: str = "{}"
    """vllm: any arguments of vLLM's engine, as JSON. openai: extra fields of every request, as JSON."""
    price: tuple[float, float] | None = None
    """Prices of a million prompt tokens and of a million reply tokens, to count money."""

    def __post_init__(self) -> None:
        if self.engine != "local" and not self.model:
            raise UserError(f"--engine {self.engine} needs --model: name what it serves.", exit_code=2)
        if self.concurrency < 1 or not 0 < self.timeout < math.inf:
            raise UserError(
                f"--concurrency {self.concurrency} and --timeout {self.timeout:g} get no reply: give more.", exit_code=2
            )
        if self.engine != "openai" and self.base_url != EngineOptions.base_url:
            raise UserError(f"--base-url is not used by --engine {self.engine}: leave it out.", exit_code=2)
        if self.engine == "local" and self.engine_args != "{}":
            raise UserError("--engine-args is not used by --engine local: leave it out.", exit_code=2)
        if self.price is not None and not all(math.isfinite(p) and p >= 0 for p in self.price):
            raise UserError(f"--price {self.price[0]} {self.price[1]} holds no price: give two numbers.", exit_code=2)
        read_engine_args(self.engine_args)

    def identity(self) -> dict[str, Any]:
        """What can change a reply beside the model. Where a server stands does not: --revision names what it serves."""
        if self.engine == "local":
            return {"engine": self.engine, "dtype": fastest_dtype(None)}
        extra = {"engine_args": read_engine_args(self.engine_args), "structured": self.structured}
        return {"engine": self.engine, **extra}


def money(usage: Mapping[str, int], price: tuple[float, float] | None) -> float | None:
    """What the tokens cost, in the currency of the prices; None where no prices were given."""
    if price is None:
        return None
    return round((usage["prompt_tokens"] * price[0] + usage["reply_tokens"] * price[1]) / 1e6, 6)


def find_model(options: EngineOptions) -> Model:
    """The model's name and pinned revision, without loading it. A folder goes by its last name and its content."""
    if options.engine == "openai":
        return served_model(options.model or "", options.revision)
    from builders.llm.weights import pinned_model

    pinned = pinned_model(options.model or "smollm2", options.revision)
    return Model(Path(pinned.id).name, pinned.revision) if Path(pinned.id).is_dir() else pinned


def make_engine(options: EngineOptions) -> Engine:
    """The engine, with its model loaded. The caller closes it."""
    arguments = read_engine_args(options.engine_args)
    if options.engine == "openai":
        from builders.llm.chat_calls import OpenAIOptions
        from builders.llm.openai_engine import OpenAIEngine

        chosen = OpenAIOptions(
            api_key_env=options.api_key_env,
            concurrency=options.concurrency,
            timeout=options.timeout,
            dialect=options.structured,
            extra_body=arguments,
            served_as=options.model,
        )
        return OpenAIEngine(find_model(options), options.base_url, chosen, say)
    from builders.llm.weights import pinned_model

    weights = pinned_model(options.model or "smollm2", options.revision)
    if options.engine == "vllm":
        from builders.llm.vllm_engine import VLLMEngine

        return VLLMEngine(weights, arguments)
    from builders.llm.local_engine import LocalEngine

    return LocalEngine(weights, say=say)


def refuse_scoring(options: EngineOptions) -> None:
    """UserError where the engine cannot tell the likelihood of a text that is given."""
    if options.engine == "openai":
        raise UserError(
            "--engine openai cannot judge by likelihood, since chat servers do not tell the probability of a text that "
            "is given: use --engine local or --engine vllm, or --method listwise.",
            exit_code=2,
        )


def make_scorer(options: EngineOptions) -> Engine:
    """An engine that answers a request whose last turn is the assistant's with that turn's mean log-probability.

    The caller closes it. UserError for an engine that cannot.
    """
    refuse_scoring(options)
    if options.engine == "vllm":
        return make_engine(options)
    from builders.llm.local_scorer import LocalScorer
    from builders.llm.weights import pinned_model

    return LocalScorer(pinned_model(options.model or "smollm2", options.revision), say=say)
