"""candidates -> preferences (Rerank): an LLM puts the first candidates of each query in its order (DRAMA 3.1.3)."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.llm.engines import EngineOptions, money, refuse_scoring

if TYPE_CHECKING:
    from builders.llm.prompts import Prompt
    from builders.llm.requests import Engine, Reply, Request
    from builders.relevance.reranking import Reranking
    from builders.store.building import Building
    from builders.store.versions import Version

STAGE = "builders.rerank_preferences"
REVISION = 1
# By method: the prompt, the reply that it asks for, and what it is filled with.
PROMPTS = {
    "listwise": ("listwise_ranking", "ranking", {"query", "passages"}),
    "likelihood": ("query_likelihood", "likelihood", {"query", "passage"}),
}


@dataclass(frozen=True)
class RerankPreferences:
    """Have an LLM put the candidates of each query in order.

    Example: python -m builders.rerank_preferences --method likelihood --k 5 --limit 20
    """

    candidates: str | None = None
    """The version of candidates to judge; the latest where it is not given."""
    data: Path = Path("data")
    """The folder of all tables."""
    method: Literal["listwise", "likelihood"] = "listwise"
    """listwise: the model writes the order; likelihood: by how likely the query is after each, for small models."""
    k: int = 20
    """Candidates of a query that are judged, the retriever's first."""
    window: int = 20
    """listwise: passages shown at once; more are ordered in windows, from the end of the list to its start."""
    step: int = 10
    """listwise: places from one window to the next."""
    shuffles: int = 0
    """listwise: ask so many times more, the passages shuffled; the order is by mean rank, and agreement is kept."""
    passage_tokens: int = 256
    """Longer passages are cut, in tokens of the chunks' own tokenizer."""
    prompt: str | None = None
    """A prompt of prompts/ by name, or a TOML file; by default listwise_ranking or query_likelihood."""
    seed: int = 0
    """Seed of the sample and of the shuffles."""
    limit: int | None = None
    """Judge a seeded sample of so many queries only; a larger one later asks only for what is new."""
    dry_run: bool = False
    """Show the first request and an estimate, and ask nobody."""
    llm: EngineOptions = field(default_factory=EngineOptions)
    """The engine."""

    def __post_init__(self) -> None:
        for name, least in (("k", 2), ("window", 2), ("step", 1), ("shuffles", 0), ("passage_tokens", 1), ("limit", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag} {value} is too small to order anything: give {least} or more.", exit_code=2)
        if self.step > self.window:
            sentence = f"--step {self.step} passes over candidates that no window of {self.window} shows: give less."
            raise UserError(sentence, exit_code=2)
        if self.method == "likelihood":
            if self.shuffles:
                raise UserError("--shuffles does nothing for --method likelihood: leave it out.", exit_code=2)
            refuse_scoring(self.llm)


def main(config: RerankPreferences, engine: "Engine | None" = None) -> "Version | None":
    """Replies into journals, round by round until every row has an end, and rows out of the journals, by shard."""
    from builders.llm.engines import find_model
    from builders.relevance.judging import Judging
    from builders.relevance.questions import find_sources
    from builders.relevance.report import print_report
    from builders.relevance.reranking import Reranking
    from builders.store.building import build
    from builders.store.plans import Plan, PromptUse
    from builders.store.versions import find_version, latest_version
    from builders.text.queries import choose_sample

    wanted, table = config.candidates, "candidates"
    candidates = find_version(config.data, wanted, table=table) if wanted else latest_version(config.data, table)
    prompt = find_prompt(config)
    model = engine.model if engine else find_model(config.llm)
    judging = Judging(prompt, model, config.seed, config.window, config.step, config.shuffles)
    sample = choose_sample(candidates, config.limit, config.seed)
    reranking = Reranking(find_sources(candidates), judging, sample, config.method, config.k, config.passage_tokens)
    if config.dry_run:
        _show(reranking, config)
        return None
    plan = Plan(
        "preferences",
        "preference",
        STAGE,
        REVISION,
        {**reranking.identity(), "limit": config.limit, **config.llm.identity()},
        inputs=(candidates,),
        prompt=PromptUse(prompt.name, prompt.version, prompt.text),
        model=asdict(model),
        sampling=asdict(prompt.sampling),
        seed=config.seed,
        facts={"price": config.llm.price},
    )
    work = partial(write_preferences, reranking=reranking, config=config, engine=engine)
    preferences = build(plan, config.data, work)
    print_report(preferences)
    return preferences


def find_prompt(config: RerankPreferences) -> "Prompt":
    """The prompt of the method; UserError where the one that is given asks for something else."""
    from builders.llm.prompts import load_prompt

    default, form, values = PROMPTS[config.method]
    prompt = load_prompt(config.prompt or default)
    filled = {*prompt.placeholders, *(prompt.fields if form == "likelihood" else ())}
    if prompt.reply != form or filled != values:
        raise UserError(
            f"--prompt {prompt.name} cannot serve --method {config.method}: name one whose reply is {form} and that is "
            f"filled with {' and '.join(sorted(values))}, as {default} is.",
            exit_code=2,
        )
    return prompt


def write_preferences(
    made: "Building", *, reranking: "Reranking", config: RerankPreferences, engine: "Engine | None"
) -> tuple[int, dict[str, Any]]:
    """Ask for what no journal holds yet, and write each shard as its last reply arrives."""
    from builders.llm.asking import answer_rounds
    from builders.llm.drafting import usage
    from builders.llm.engine_on_demand import EngineOnDemand
    from builders.llm.engines import make_engine, make_scorer
    from builders.relevance.reranking import judge_shard
    from builders.store.locks import locked

    candidates = reranking.sources.candidates
    shards, rows = len(candidates.shards()), candidates.manifest["rows"]["out"]
    missing = [i for i in range(shards) if not made.is_done(i)]
    folder = config.data / "journals" / reranking.journal(config.llm.identity())
    total = min(config.limit or rows, rows) * reranking.most_requests()

    def deliver(shard: int, replies: "Mapping[str, Reply]") -> None:
        made.write(shard, *judge_shard(reranking, shard, replies))

    used = engine or EngineOnDemand(config.llm, make_scorer if config.method == "likelihood" else make_engine)
    try:
        with (
            locked(folder / "lock", f"the journal {folder.name}"),
            Progress("preferences", total, unit="replies") as progress,
        ):
            answer_rounds(used, missing, reranking.requests, folder, deliver, progress, config.llm.price)
    finally:
        if engine is None:
            used.close()
    return shards, usage(made, shards, config.llm.price)


def _show(reranking: "Reranking", config: RerankPreferences) -> None:
    """The first request as it would be sent, and what the run would cost: nobody is asked."""
    from builders.store.versions import read_column

    candidates = reranking.sources.candidates
    queries = 0
    first: list[Request] = []
    for shard, path in enumerate(candidates.shards()):
        sampled = sum(query_id in reranking.sample for query_id in read_column(path, "query_id"))
        queries += sampled
        first = first or (reranking.requests(shard, {}) if sampled else [])
    if not first:
        raise UserError(f"{candidates} holds no query with two candidates to judge: build candidates first.")
    for message in first[0].messages:
        say(f"--- {message['role']}\n{message['content']}")
    requests = queries * reranking.most_requests()
    characters = sum(len(message["content"]) for request in first for message in request.messages) / len(first)
    # About 4 characters a token in English; an identifier and its arrow are 5.
    written = 5 * min(config.k, config.window) if config.method == "listwise" else 0
    usage = {"prompt_tokens": int(requests * characters / 4), "reply_tokens": requests * written}
    prompt_tokens, reply_tokens = (f"{usage[kind]:,}" for kind in ("prompt_tokens", "reply_tokens"))
    say(f"--- at most {requests:,} requests, about {prompt_tokens} prompt tokens and {reply_tokens} reply tokens")
    price = money(usage, config.llm.price)
    if price is not None:
        say(f"--- about {price:,.2f} in money")


if __name__ == "__main__":
    sys.exit(run(RerankPreferences, main))
