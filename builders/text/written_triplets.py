"""Tasks -> drafts of triplets: for each task an LLM writes a query, a positive and a hard negative (DRAMA 3.1.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from builders.llm.drafting import Drafts, journal_folder, read_reply
from builders.llm.prompts import Prompt
from builders.llm.requests import Model, Reply, Request
from builders.store.building import rejection
from builders.store.schemas import canonical
from builders.text.cleaning import clean, clean_line
from builders.text.hashes import generator, id_number
from builders.text.languages import language_name
from builders.text.queries import query_id
from builders.text.triplet_gates import triplet_fault

METHOD = "triplet"
# The tasks of a shard: fixed, so that a run with more tasks finds its replies in the same journals.
SHARD_TASKS = 500
POSITIVE, NEGATIVE = "-positive", "-negative"


def chunk_of(document_id: str) -> str:
    """The id of a written text's only chunk."""
    return f"{document_id}#0000"


@dataclass(frozen=True)
class Wanted:
    """One triplet to ask for: the number-th of a task."""

    task_id: str
    task: str
    number: int


@dataclass(frozen=True)
class Writing:
    """What is asked for: triplets for `tasks` (task_id, text). Requests and rows are functions of it and a shard."""

    tasks: Sequence[Mapping[str, Any]]
    prompt: Prompt
    model: Model
    seed: int
    languages: tuple[str, ...]
    per_task: int
    limit: int | None
    name: str
    engine: Mapping[str, Any]

    def journals(self, data: Path) -> Path:
        """The same for more tasks of the same seed and prompt, and for more triplets a task."""
        same = [METHOD, self.prompt.version, asdict(self.model), self.seed, dict(self.engine), list(self.languages)]
        return journal_folder(data, same)

    @property
    def shards(self) -> int:
        return -(-len(self.tasks) // SHARD_TASKS)

    @property
    def total(self) -> int:
        """Requests of all shards."""
        whole = len(self.tasks) * self.per_task
        return whole if self.limit is None else min(whole, self.limit)

    def wanted(self, shard: int) -> list[Wanted]:
        """The triplets of a shard. A limit takes the first of every task before the second of any."""
        start = shard * SHARD_TASKS
        return [
            Wanted(task["task_id"], task["text"], number)
            for place, task in enumerate(self.tasks[start : start + SHARD_TASKS], start)
            for number in range(self.per_task)
            if number * len(self.tasks) + place < self.total
        ]

    def slots(self, wanted: Wanted) -> dict[str, str]:
        """What is drawn for a request: the language's code, and the prompt's own slots."""
        draw = generator(self.seed, f"{wanted.task_id}/{wanted.number}", METHOD)
        language = self.languages[int(draw.random() * len(self.languages))]
        return {"language": language, **self.prompt.draw(draw)}

    def request(self, wanted: Wanted) -> Request:
        seed = (id_number(self.seed, wanted.task_id, METHOD) + wanted.number) % 2**31
        drawn = self.slots(wanted)
        values = {**drawn, "task": wanted.task, "language": language_name(drawn["language"]) or drawn["language"]}
        return self.prompt.request(values, self.model, seed)

    def requests(self, shard: int) -> list[Request]:
        return [self.request(wanted) for wanted in self.wanted(shard)]

    def draft(self, shard: int, replies: Mapping[str, Reply]) -> Drafts:
        """Every wanted triplet of the shard is a row or a rejection."""
        drafts = Drafts()
        for wanted in self.wanted(shard):
            reply = replies[self.request(wanted).key]
            drafts.add(draft_triplet(self, wanted, reply), reply)
        return drafts


def draft_triplet(writing: Writing, wanted: Wanted, reply: Reply) -> dict[str, Any]:
    """The row of a reply, or its rejection with the first reason that applies."""
    made_of = f"{writing.name}/{reply.key[:16]}"
    row_id = query_id({"chunk_id": chunk_of(made_of + POSITIVE)}, METHOD, 0)
    parsed, reason = read_reply(reply, writing.prompt.fields)
    if reason:
        return rejection(row_id, reason, parsed.fault, reply.text)
    fields = {name: clean(text)[0] for name, text in parsed.fields.items()}
    fields["query"] = clean_line(fields["query"])
    drawn = writing.slots(wanted)
    if fault := triplet_fault(fields, drawn["language"], writing.prompt.examples):
        return rejection(row_id, fault.reason, fault.detail, reply.text)
    return {
        "query_id": row_id,
        "positive_id": made_of + POSITIVE,
        "negative_id": made_of + NEGATIVE,
        "task_id": wanted.task_id,
        "task": wanted.task,
        "language": drawn["language"],
        **fields,
        "slots": canonical(drawn).decode(),
        "model": f"{writing.model.id}@{writing.model.revision}",
        "prompt_version": writing.prompt.version,
        "parse": parsed.parse,
        "reply": reply.text,
    }
