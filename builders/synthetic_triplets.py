"""tasks -> written triplets (Triplet): an LLM thinks of tasks, then writes query, positive, negative (DRAMA 3.1.4)."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.llm.engines import EngineOptions, money

if TYPE_CHECKING:
    from builders.llm.prompts import Prompt
    from builders.llm.requests import Engine, Model, Request
    from builders.store.building import Building
    from builders.store.plans import Plan
    from builders.store.versions import Version
    from builders.text.brainstorm import Brainstorm
    from builders.text.tokens import TokenizerName
    from builders.text.written_triplets import Writing

STAGE = "builders.synthetic_triplets"
REVISION = 1
# The languages of DRAMA; a small model that came with this package writes English.
LANGUAGES = "ar,bn,de,en,es,fa,fi,fr,hi,id,it,ja,ko,pt,ru,sw,te,th,yo,zh"
# A text is one chunk however long it is: the whole of it was written for the query.
UNCUT_TOKENS = 1_000_000
# What replies of capable models come to, for the estimate of a dry run: a sentence; a query with two texts of 90 words.
TASK_TOKENS, TRIPLET_TOKENS = 40, 350


@dataclass(frozen=True)
class SyntheticTriplets:
    """Have an LLM think of retrieval tasks, and write triplets for them. Needs no corpus.

    Example: python -m builders.synthetic_triplets --tasks 12
    """

    tasks: int = 1000
    """Different tasks to think of."""
    per_task: int = 1
    """Triplets to ask for with each task."""
    languages: str | None = None
    """Codes of the languages to draw from, with commas (en,de); by default the 20 of DRAMA, for local en."""
    data: Path = Path("data")
    """The folder of all tables."""
    name: str = "synthetic"
    """The source that the texts get, and how their ids begin."""
    licence: str | None = None
    """The licence of the texts (SPDX): what the model's own licence lets you say."""
    task_prompt: str | None = None
    """The prompt for tasks, by name or a TOML file; by default brainstorm_tasks, for local brainstorm_tasks_small."""
    prompt: str | None = None
    """The prompt for triplets; by default synthetic_triplet, for local synthetic_triplet_small."""
    tokenizer: str = "smollm2"
    """What the lengths of chunks are counted in, as in builders.corpus."""
    seed: int = 0
    """Seed of what is drawn for each request, and of each reply."""
    limit: int | None = None
    """Ask for so many triplets only, and for no more tasks (a rehearsal)."""
    processes: int = 1
    """Worker processes for what is not the LLM's work."""
    dry_run: bool = False
    """Show the first request of both kinds and an estimate, and ask nobody."""
    llm: EngineOptions = field(default_factory=EngineOptions)
    """The engine."""

    def __post_init__(self) -> None:
        for name in ("tasks", "per_task", "limit", "processes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name.replace('_', '-')} {value} writes nothing: give 1 or more.", exit_code=2)
        if not self.name.strip() or not self.name.isprintable() or "#" in self.name:
            raise UserError(f"--name {self.name!r} cannot stand in an id: give letters and digits.", exit_code=2)
        self.language_codes()

    def language_codes(self) -> tuple[str, ...]:
        """UserError for a code whose name is not known: a model is asked for a language by its name."""
        from builders.text.languages import NAMES

        given = self.languages or ("en" if self.llm.engine == "local" else LANGUAGES)
        codes = tuple(code.strip() for code in given.split(","))
        for code in codes:
            if code not in NAMES.values():
                known = ", ".join(sorted(set(NAMES.values())))
                raise UserError(f"--languages {given}: {code!r} is not one of {known}.", exit_code=2)
        return codes

    def wanted_tasks(self) -> int:
        return self.tasks if self.limit is None else min(self.tasks, self.limit)


def main(config: SyntheticTriplets, engine: "Engine | None" = None) -> "Version | None":
    """Tasks; drafts of triplets; then the passes of a corpus over their texts, queries, and judgements."""
    from builders.llm.engine_on_demand import EngineOnDemand
    from builders.llm.engines import find_model
    from builders.llm.prompts import load_prompt
    from builders.store.plans import Plan
    from builders.text.brainstorm import Brainstorm
    from builders.text.tokens import find_tokenizer
    from builders.text.triplet_tables import build_judgements

    small = "_small" if config.llm.engine == "local" else ""
    prompt = load_prompt(config.prompt or f"synthetic_triplet{small}")
    task_prompt = load_prompt(config.task_prompt or f"brainstorm_tasks{small}")
    tokenizer = find_tokenizer(config.tokenizer)
    model = engine.model if engine else find_model(config.llm)
    storm = Brainstorm(task_prompt, model, config.seed, config.wanted_tasks(), config.llm.identity())
    if config.dry_run:
        _show(storm, prompt, config)
        return None
    used = engine or EngineOnDemand(config.llm)
    try:
        tasks = build_tasks(storm, used, config)
        drafts = build_drafts(tasks, prompt, used, config)
    finally:
        if engine is None:
            used.close()
    chunks = build_chunks(drafts, tokenizer, config)
    return build_judgements(
        drafts, chunks, config.data, partial(Plan, stage=STAGE, revision=REVISION), config.processes
    )


def build_tasks(storm: "Brainstorm", engine: "Engine", config: SyntheticTriplets) -> "Version":
    """Pass 1: different tasks, in rounds."""
    from builders.store.building import build
    from builders.text.brainstorm import write_tasks

    settings = {"tasks": storm.wanted, **storm.engine}
    plan = _asking("tasks", "task", settings, (), storm.prompt, storm.model, config)
    work = partial(write_tasks, storm=storm, data=config.data, engine=engine, price=config.llm.price)
    return _not_empty(build(plan, config.data, work), "task")


def build_drafts(tasks: "Version", prompt: "Prompt", engine: "Engine", config: SyntheticTriplets) -> "Version":
    """Pass 2, by shard of tasks: what became of each reply."""
    from builders.llm.drafting import draft_shards
    from builders.store.building import build
    from builders.text.brainstorm import all_tasks

    writing = _writing(all_tasks(tasks), prompt, engine.model, config)
    settings = {
        "name": config.name,
        "languages": list(writing.languages),
        "per_task": config.per_task,
        "limit": config.limit,
        **writing.engine,
    }
    plan = _asking("triplet_drafts", "triplet_draft", settings, (tasks,), prompt, engine.model, config)

    def work(made: "Building") -> tuple[int, dict[str, Any]]:
        return draft_shards(
            made,
            writing.shards,
            writing.requests,
            writing.draft,
            journals=writing.journals(config.data),
            engine=engine,
            price=config.llm.price,
            progress=Progress("triplets", writing.total, unit="replies"),
        )

    return _not_empty(build(plan, config.data, work), "triplet")


def _writing(
    tasks: "Sequence[Mapping[str, Any]]", prompt: "Prompt", model: "Model", config: SyntheticTriplets
) -> "Writing":
    from builders.text.written_triplets import Writing

    return Writing(
        tasks,
        prompt,
        model,
        config.seed,
        config.language_codes(),
        config.per_task,
        config.limit,
        config.name,
        config.llm.identity(),
    )


def build_chunks(drafts: "Version", tokenizer: "TokenizerName", config: SyntheticTriplets) -> "Version":
    """The texts as documents of a source, and the passes of a corpus over them: one chunk each, none held out."""
    from builders import corpus
    from builders.store.building import build, build_shards
    from builders.store.plans import Plan
    from builders.text.triplet_tables import Documents

    settings = {"name": config.name, "licence": config.licence}
    plan = Plan("documents", "document", STAGE, REVISION, settings, inputs=(drafts,))
    make = Documents(drafts, config.name, config.licence)
    work = partial(build_shards, shards=len(drafts.shards()), make=make, processes=config.processes)
    documents = build(plan, config.data, work)
    cutting = corpus.Corpus(
        config.name,
        data=config.data,
        tokenizer=config.tokenizer,
        max_tokens=UNCUT_TOKENS,
        heldout=0.0,
        processes=config.processes,
    )
    signatures = corpus.build_signatures(documents, tokenizer, cutting)
    clusters = corpus.build_clusters(signatures, cutting)
    return corpus.build_chunks(signatures, clusters, tokenizer, cutting)


def _asking(
    table: str,
    record: str,
    settings: dict[str, Any],
    inputs: "tuple[Version, ...]",
    prompt: "Prompt",
    model: "Model",
    config: SyntheticTriplets,
) -> "Plan":
    from builders.store.plans import Plan, PromptUse

    return Plan(
        table,
        record,
        STAGE,
        REVISION,
        settings,
        inputs=inputs,
        prompt=PromptUse(prompt.name, prompt.version, prompt.text),
        model=asdict(model),
        sampling=asdict(prompt.sampling),
        seed=config.seed,
        facts={"price": config.llm.price},
    )


def _not_empty(version: "Version", what: str) -> "Version":
    from builders.store.building import outcome

    if version.manifest["rows"]["out"]:
        return version
    raise UserError(
        f"No reply became a {what} ({outcome(version)}): read {version.folder / 'rejected'} for why, then try another "
        "--seed, prompt or model."
    )


def _show(storm: "Brainstorm", prompt: "Prompt", config: SyntheticTriplets) -> None:
    """The first request of both passes as they would be sent, and what a run would cost: nobody is asked."""
    example = {"task_id": "", "text": storm.prompt.examples[0]["task"]}  # which tasks there will be, is not known yet
    writing = _writing([example], prompt, storm.model, config)
    first, second = storm.request(0), writing.requests(0)[0]
    for what, request in (("a task", first), ("a triplet", second)):
        say(f"=== {what}")
        for message in request.messages:
            say(f"--- {message['role']}\n{message['content']}")
    triplets = min(storm.wanted * config.per_task, config.limit or sys.maxsize)
    usage = {
        "prompt_tokens": storm.wanted * _about_tokens(first) + triplets * _about_tokens(second),
        "reply_tokens": storm.wanted * TASK_TOKENS + triplets * TRIPLET_TOKENS,
    }
    price = money(usage, config.llm.price)
    prompt_tokens, reply_tokens = (f"{usage[kind]:,}" for kind in ("prompt_tokens", "reply_tokens"))
    say(f"--- {storm.wanted:,} requests for tasks at least (what is a duplicate is asked for again), {triplets:,} for")
    say(f"--- triplets; about {prompt_tokens} prompt tokens and {reply_tokens} reply tokens")
    if price is not None:
        say(f"--- about {price:,.2f} in money")


def _about_tokens(request: "Request") -> int:
    return sum(len(message["content"]) for message in request.messages) // 4  # characters a token, in English


if __name__ == "__main__":
    sys.exit(run(SyntheticTriplets, main))
