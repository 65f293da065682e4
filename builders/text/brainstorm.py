"""Replies -> tasks: an LLM is asked in rounds until there are enough that differ (DRAMA 3.1.4)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from builders.cli.progress import Progress, say
from builders.llm.asking import answer_shards
from builders.llm.drafting import Drafts, journal_folder, read_reply, usage
from builders.llm.prompts import Prompt
from builders.llm.requests import Engine, Model, Reply, Request
from builders.store.building import Building, rejection
from builders.store.locks import locked
from builders.store.schemas import canonical
from builders.store.versions import Version, read_rows
from builders.text.alike_texts import SeenTexts
from builders.text.cleaning import clean_line
from builders.text.gates import not_text, word_count
from builders.text.hashes import generator, id_number, normalise, text_hash
from builders.text.triplet_gates import LEAST_LETTERS, language_fault

PURPOSE = "task"
# Two tasks with this share of words in common are one.
ALIKE = 0.8
LEAST_WORDS = 4
# A round asks for as many tasks as are lacking, at most for so many.
ROUND = 5_000
# A round of which less than one reply in twenty is a new task is idle. After so many in a row, or so many replies in
# them, the model has no more, or never answers in the form asked for.
LEAST_NEW, IDLE_ROUNDS, IDLE_REPLIES = 0.05, 4, 100


@dataclass(frozen=True)
class Brainstorm:
    """What is asked for. Requests are numbered, and each is a pure function of this and its number."""

    prompt: Prompt
    model: Model
    seed: int
    wanted: int
    engine: Mapping[str, Any]

    def journals(self, data: Path) -> Path:
        """The same however many tasks are wanted: more ask only for what is new."""
        return journal_folder(data, [PURPOSE, self.prompt.version, asdict(self.model), self.seed, dict(self.engine)])

    def slots(self, number: int) -> dict[str, str]:
        return self.prompt.draw(generator(self.seed, str(number), PURPOSE))

    def request(self, number: int) -> Request:
        seed = (id_number(self.seed, "", PURPOSE) + number) % 2**31  # 31 bits: what every server takes
        return self.prompt.request(self.slots(number), self.model, seed)

    def seen(self) -> SeenTexts:
        """The tasks of the examples, which are no new ones."""
        return SeenTexts(ALIKE, (("", example["task"]) for example in self.prompt.examples))


def write_tasks(
    made: Building, *, storm: Brainstorm, data: Path, engine: Engine, price: tuple[float, float] | None
) -> tuple[int, dict[str, Any]]:
    """Ask round by round, a shard a round, until there are enough tasks or hardly any come.

    One journal serves all rounds. Returns what `build` wants of its `work`.
    """
    folder, seen = storm.journals(data), storm.seen()
    rounds = asked = found = idle_rounds = idle_replies = 0
    with locked(folder / "lock", f"the journal {folder.name}"), Progress("tasks", None, unit="replies") as progress:
        while found < storm.wanted and idle_rounds < IDLE_ROUNDS and idle_replies < IDLE_REPLIES:
            numbers = range(asked, asked + min(storm.wanted - found, ROUND))
            if made.is_done(rounds):
                progress.skip(len(numbers))
                for row in _rows(made, rounds):
                    seen.add(row["task_id"], row["text"])
            else:
                requests = partial(_requests, storm, numbers)
                deliver = partial(_write_round, made, storm, seen, rounds, numbers)
                answer_shards(engine, [0], requests, folder, deliver, progress, price)
            new = len(_rows(made, rounds))
            idle = new < LEAST_NEW * len(numbers)
            idle_rounds, idle_replies = (idle_rounds + 1, idle_replies + len(numbers)) if idle else (0, 0)
            rounds, asked, found = rounds + 1, asked + len(numbers), found + new
    if found < storm.wanted:
        say(f"tasks: {found:,} of {storm.wanted:,}, since the last {idle_replies:,} replies brought hardly any new one")
    return rounds, usage(made, rounds, price)


def _rows(made: Building, shard: int) -> list[dict[str, Any]]:
    return sorted(read_rows(made.folder / f"{shard:05d}.parquet"), key=lambda row: row["number"])


def _requests(storm: Brainstorm, numbers: range, _: int) -> list[Request]:
    return [storm.request(number) for number in numbers]


def _write_round(
    made: Building,
    storm: Brainstorm,
    seen: SeenTexts,
    shard: int,
    numbers: range,
    _: int,
    replies: Mapping[str, Reply],
) -> None:
    drafts = Drafts()
    for number in numbers:
        reply = replies[storm.request(number).key]
        drafts.add(draft_task(storm, number, reply, seen), reply)
    made.write(shard, drafts.result, drafts.seconds)


def draft_task(storm: Brainstorm, number: int, reply: Reply, seen: SeenTexts) -> dict[str, Any]:
    """The row of a reply, which is then among those seen, or its rejection with the first reason that applies."""
    row_id = f"task-{reply.key[:16]}"
    parsed, reason = read_reply(reply, storm.prompt.fields)
    if reason:
        return rejection(row_id, reason, parsed.fault, reply.text)
    text = clean_line(parsed.fields["task"])
    if fault := _fault(text, seen):
        return rejection(row_id, *fault, reply.text)
    seen.add(row_id, text)
    return {
        "task_id": row_id,
        "number": number,
        "text": text,
        "slots": canonical(storm.slots(number)).decode(),
        "model": f"{storm.model.id}@{storm.model.revision}",
        "prompt_version": storm.prompt.version,
        "parse": parsed.parse,
        "reply": reply.text,
        "normalised_text_hash": text_hash(normalise(text)),
    }


def _fault(text: str, seen: SeenTexts) -> tuple[str, str] | None:
    if not any(map(str.isalnum, normalise(text))):
        return "empty", "the task holds no word"
    if fault := not_text(text, LEAST_LETTERS):
        return "not_text", fault
    if (count := word_count(text)) < LEAST_WORDS:
        return "too_short", f"{count:g} words, at least {LEAST_WORDS} are asked for"
    if fault := language_fault(text, "en"):
        return "wrong_language", fault
    like = seen.find(text)
    if like is None:
        return None
    return ("duplicate", f"nearly the same words as {like}") if like else ("copy_of_example", "an example's own task")


def all_tasks(tasks: Version) -> list[dict[str, Any]]:
    """Every task, in the order in which they were asked for: more tasks of the same run begin with these."""
    rows = [row for shard in tasks.shards() for row in read_rows(shard, ["task_id", "number", "text"])]
    return sorted(rows, key=lambda row: row["number"])
