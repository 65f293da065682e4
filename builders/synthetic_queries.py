"""chunks -> queries (QGen): an LLM writes a query that the chunk answers (DRAMA 3.1.2)."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.llm.engines import EngineOptions, money

if TYPE_CHECKING:
    from builders.llm.drafting import Drafts
    from builders.llm.prompts import Prompt
    from builders.llm.requests import Engine, Model, Reply, Request
    from builders.store.building import Building
    from builders.store.versions import Version
    from builders.text.queries import Sample

STAGE = "builders.synthetic_queries"
REVISION = 1
METHOD = "qgen"


@dataclass(frozen=True)
class SyntheticQueries:
    """Have an LLM write a query for each chunk.

    Example: python -m builders.synthetic_queries --limit 20
    """

    chunks: str | None = None
    """The version of chunks to write for; the latest where it is not given."""
    data: Path = Path("data")
    """The folder of all tables."""
    prompt: str | None = None
    """A prompt of prompts/ by name, or a TOML file; by default synthetic_query, for local synthetic_query_small."""
    seed: int = 0
    """Seed of the sample and of each reply."""
    limit: int | None = None
    """Write for a seeded sample of so many chunks only; a larger one later asks only for what is new."""
    processes: int = 1
    """Worker processes for what is not the LLM's work."""
    dry_run: bool = False
    """Show the first request and an estimate, and ask nobody."""
    llm: EngineOptions = field(default_factory=EngineOptions)
    """The engine."""

    def __post_init__(self) -> None:
        for name, value in (("limit", self.limit), ("processes", self.processes)):
            if value is not None and value < 1:
                raise UserError(f"--{name} {value} does nothing: give 1 or more.", exit_code=2)


def main(config: SyntheticQueries, engine: "Engine | None" = None) -> "Version | None":
    """Replies into journals, journals into drafts by shard, duplicates over all shards, rows by shard."""
    from builders.llm.engines import find_model
    from builders.llm.prompts import load_prompt
    from builders.store.building import build
    from builders.store.plans import Plan, PromptUse
    from builders.store.versions import find_version, latest_version
    from builders.text.queries import build_queries, choose_sample

    given = config.chunks
    chunks = find_version(config.data, given, table="chunks") if given else latest_version(config.data, "chunks")
    prompt = load_prompt(
        config.prompt or ("synthetic_query_small" if config.llm.engine == "local" else "synthetic_query")
    )
    model = engine.model if engine else find_model(config.llm)
    sample = choose_sample(chunks, config.limit, config.seed)
    writing = Writing(chunks, prompt, model, sample, config.seed, config.llm.identity())
    if config.dry_run:
        _show(writing, config)
        return None
    plan = partial(
        Plan,
        record="query",
        stage=STAGE,
        revision=REVISION,
        config={"limit": config.limit, **writing.engine},
        prompt=PromptUse(prompt.name, prompt.version, prompt.text),
        model=asdict(model),
        sampling=asdict(prompt.sampling),
        seed=config.seed,
        facts={"price": config.llm.price},
    )
    drafting = plan("query_drafts", inputs=(chunks,))
    drafts = build(drafting, config.data, partial(write_drafts, writing=writing, config=config, engine=engine))
    return build_queries(drafts, config.data, plan("queries", inputs=(chunks, drafts)), config.processes)


@dataclass(frozen=True)
class Writing:
    """What is asked for: chunks, prompt, model, sample. Requests and rows are pure functions of it and a shard."""

    chunks: "Version"
    prompt: "Prompt"
    model: "Model"
    sample: "Sample"
    seed: int
    engine: Mapping[str, Any]

    def journals(self, data: Path) -> Path:
        """One folder for all that ask the same questions, whatever their --limit and whatever the gates."""
        from builders.llm.drafting import journal_folder

        chunks = [str(self.chunks), self.chunks.content_hash]
        return journal_folder(data, [chunks, self.prompt.version, asdict(self.model), self.seed, dict(self.engine)])

    def chosen(self, shard: int) -> "list[dict[str, Any]]":
        from builders.text.queries import chosen_chunks

        return chosen_chunks(self.chunks, shard, self.sample)

    def request(self, chunk: Mapping[str, Any]) -> "Request":
        from builders.text.hashes import id_number

        seed = id_number(self.seed, chunk["chunk_id"], METHOD) >> 33  # 31 bits: what every server takes
        return self.prompt.request({"text": chunk["text"]}, self.model, seed)

    def requests(self, shard: int) -> "list[Request]":
        return [self.request(chunk) for chunk in self.chosen(shard)]


def write_drafts(
    made: "Building", *, writing: Writing, config: SyntheticQueries, engine: "Engine | None"
) -> tuple[int, dict[str, Any]]:
    """Ask for what no journal holds yet, and write each shard as its last reply arrives."""
    from builders.llm.drafting import draft_shards
    from builders.llm.engine_on_demand import EngineOnDemand

    used = engine or EngineOnDemand(config.llm)
    try:
        return draft_shards(
            made,
            len(writing.chunks.shards()),
            writing.requests,
            partial(draft_shard, writing),
            journals=writing.journals(config.data),
            engine=used,
            price=config.llm.price,
            progress=Progress("queries", config.limit or writing.chunks.manifest["rows"]["out"], unit="replies"),
        )
    finally:
        if engine is None:
            used.close()


def draft_shard(writing: Writing, shard: int, replies: "Mapping[str, Reply]") -> "Drafts":
    """The drafts of a shard, compiled from its replies: every chosen chunk is a row or a rejection."""
    from builders.llm.drafting import Drafts

    drafts = Drafts()
    for chunk in writing.chosen(shard):
        reply = replies[writing.request(chunk).key]
        drafts.add(draft_query(chunk, reply, writing.prompt, writing.model), reply)
    return drafts


def draft_query(chunk: Mapping[str, Any], reply: "Reply", prompt: "Prompt", model: "Model") -> dict[str, Any]:
    """The row of a reply, or its rejection with the first reason that applies."""
    from builders.llm.drafting import read_reply
    from builders.store.building import rejection
    from builders.text.cleaning import clean_line
    from builders.text.languages import language_of
    from builders.text.queries import query_id, query_row
    from builders.text.query_gates import query_fault

    row_id = query_id(chunk, METHOD, 0)
    parsed, reason = read_reply(reply, prompt.fields)
    if reason:
        return rejection(row_id, reason, parsed.fault, reply.text)
    query, task = clean_line(parsed.fields["query"]), clean_line(parsed.fields["task"])
    tasks = {example["task"] for example in prompt.examples if "task" in example}
    examples = [example["query"] for example in prompt.examples]
    fault = query_fault(query, chunk["text"], chunk["language"], examples, parsed.fields["language"])
    if fault:
        return rejection(row_id, fault.reason, fault.detail, reply.text)
    if task in tasks:
        return rejection(row_id, "copy_of_example", f"its task is that of an example: {task!r}", reply.text)
    row = query_row(chunk, METHOD, 0, query, language_of(query, chunk["language"]))
    return row | {
        "task": task,
        "stated_language": clean_line(parsed.fields["language"]),
        "model": f"{model.id}@{model.revision}",
        "prompt_version": prompt.version,
        "parse": parsed.parse,
        "reply": reply.text,
    }


def _show(writing: Writing, config: SyntheticQueries) -> None:
    """The first request as it would be sent, and what the run would cost: nobody is asked."""
    requests, tokens = 0, 0
    for shard in range(len(writing.chunks.shards())):
        for chunk in writing.chosen(shard):
            if not requests:
                for message in writing.request(chunk).messages:
                    say(f"--- {message['role']}\n{message['content']}")
            requests += 1
            tokens += chunk["tokens"]
    if not requests:
        raise UserError(f"{writing.chunks} holds no chunk to write for: build chunks first.")
    shared = sum(len(m["content"]) for m in writing.prompt.opening) // 4  # about 4 characters a token in English
    usage = {"prompt_tokens": tokens + requests * shared, "reply_tokens": requests * 60}  # three short fields
    price = money(usage, config.llm.price)
    prompt_tokens, reply_tokens = (f"{usage[kind]:,}" for kind in ("prompt_tokens", "reply_tokens"))
    say(f"--- {requests:,} requests, about {prompt_tokens} prompt tokens and {reply_tokens} reply tokens")
    if price is not None:
        say(f"--- about {price:,.2f} in money")


if __name__ == "__main__":
    sys.exit(run(SyntheticQueries, main))
