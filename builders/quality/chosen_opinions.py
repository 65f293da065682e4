"""The two opinions that a command line asks for, made with their models, of which none is loaded yet."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.quality.asked_opinions import Asked, read_number, read_yes
from builders.quality.listwise_opinions import Listwise
from builders.quality.opinions import Opinion, OpinionName, rule_of
from builders.quality.retriever_opinions import Dense, Words
from builders.relevance.judging import Judging

if TYPE_CHECKING:
    from builders.audit import Audit
    from builders.llm.prompts import Prompt
    from builders.llm.requests import Engine, Model, Request
    from builders.quality.cross_encoder import CrossEncoderEngine
    from builders.retrieval.encoders import Encoder

# By opinion: the prompt, the form of its reply, and what it is filled with.
PROMPTS = {
    "pointwise": ("pointwise_relevance", "json", {"query", "passage"}),
    "likelihood": ("query_likelihood", "likelihood", {"query", "passage"}),
    "listwise": ("listwise_ranking", "ranking", {"query", "passages"}),
}
_WINDOW, _STEP = 20, 10


@dataclass(frozen=True)
class Given:
    """Models that are there already: a test's. None are made of the options."""

    encoder: "Encoder | None" = None
    engine: "Engine | None" = None
    cross_encoder: "CrossEncoderEngine | None" = None


def make_opinions(config: "Audit", given: Given) -> list[Opinion]:
    """In the order asked for."""
    thresholds = config.thresholds or (None, None)
    return [_made(name, threshold, config, given) for name, threshold in zip(config.by, thresholds, strict=True)]


def _made(name: OpinionName, threshold: float | None, config: "Audit", given: Given) -> Opinion:
    if name in ("bm25", "copy"):
        from builders.retrieval.bm25 import NAME

        return Words(rule_of(name, NAME if name == "bm25" else f"copy {NAME}", threshold), name == "copy")
    if name == "dense":
        encoder = given.encoder or _encoder(config)
        return Dense(rule_of(name, f"dense {_named(encoder.model)}", threshold), encoder, config.data)
    if name == "cross-encoder":
        return _cross_encoder(threshold, config, given)
    return _llm(name, threshold, config, given)


def _encoder(config: "Audit") -> "Encoder":
    from builders.retrieval.encoders import EncoderOptions, make_encoder

    model, revision = _with_revision(config.retriever)
    options = EncoderOptions(config.encoder, model, revision, base_url=config.retriever_url)
    return make_encoder(options)


def _cross_encoder(threshold: float | None, config: "Audit", given: Given) -> Opinion:
    from builders.quality.cross_encoder import CrossEncoderEngine

    assert config.cross_encoder or given.cross_encoder
    engine = given.cross_encoder or CrossEncoderEngine(*_with_revision(config.cross_encoder or ""))
    rule = rule_of("cross-encoder", f"cross-encoder {_named(engine.model)}", threshold)
    return Asked(rule, engine, config.data, engine.request, read_number, engine.identity())


def _llm(name: OpinionName, threshold: float | None, config: "Audit", given: Given) -> Opinion:
    from builders.llm.engine_on_demand import EngineOnDemand
    from builders.llm.engines import make_engine, make_scorer

    prompt = find_prompt(name, config.prompt)
    engine = given.engine or EngineOnDemand(config.llm, make_scorer if name == "likelihood" else make_engine)
    rule = rule_of(name, f"{name} {_named(engine.model)} {prompt.version}", threshold)
    settings: dict[str, Any] = {
        "prompt": prompt.version,
        "sampling": asdict(prompt.sampling),
        **config.llm.identity(),
    }
    price = config.llm.price
    judging = Judging(prompt, engine.model, config.seed, _WINDOW, _STEP, 1)
    if name == "listwise":
        return Listwise(rule, engine, config.data, judging, {**settings, "window": [_WINDOW, _STEP]}, price)
    read = read_number if name == "likelihood" else read_yes
    return Asked(rule, engine, config.data, partial(_request, prompt, engine.model), read, settings, price)


def _request(prompt: "Prompt", model: "Model", query: str, passage: str) -> "Request":
    # Of no seed: the two texts and the prompt are the question, and a sampled answer is drawn once for all runs.
    values: Mapping[str, str] = {"query": query, "passage": passage}
    return prompt.request(values, model, 0)


def find_prompt(name: str, given: str | None) -> "Prompt":
    """The prompt of the opinion; UserError where the one that is given asks for something else."""
    from builders.llm.prompts import load_prompt

    default, form, values = PROMPTS[name]
    prompt = load_prompt(given or default)
    filled = {*prompt.placeholders, *(prompt.fields if form == "likelihood" else ())}
    if prompt.reply != form or filled != values or (name == "pointwise" and prompt.fields != ["relevant"]):
        raise UserError(
            f"--prompt {prompt.name} cannot serve the opinion {name}: name one whose reply is {form} and that is "
            f"filled with {' and '.join(sorted(values))}, as {default} is.",
            exit_code=2,
        )
    return prompt


def _with_revision(name: str) -> tuple[str, str | None]:
    """owner/name@revision in its two parts."""
    model, _, revision = name.partition("@")
    return model, revision or None


def _named(model: "Model") -> str:
    return f"{model.id}@{model.revision}"
