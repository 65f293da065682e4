"""Prompts are files with a contract: texts, examples, sampling, form of the reply; its hash is its version."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Literal

from builders.cli.errors import UserError
from builders.llm.rankings import parse_ranking
from builders.llm.replies import parse_reply
from builders.llm.requests import Model, Request, Sampling, make_request
from builders.store.resources import resource
from builders.store.schemas import first_fault, load_schema

_SHOWN = re.compile(r"^\[\d+\]", re.MULTILINE)
# What comes back: a JSON object, labelled lines, a ranking of what was shown, or the likelihood of the answer itself.
ReplyForm = Literal["json", "plain", "ranking", "likelihood"]


@dataclass(frozen=True)
class Prompt:
    """A loaded prompt. `version` is its name and the hash of its whole file, which is `text`."""

    name: str
    version: str
    text: str
    reply_schema_name: str
    reply: ReplyForm
    placeholders: tuple[str, ...]
    sampling: Sampling
    user: str
    answer: str
    opening: tuple[Mapping[str, str], ...]
    examples: tuple[Mapping[str, str], ...]
    slots: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def fields(self) -> list[str]:
        """The fields of a reply, in order."""
        return list(load_schema(self.reply_schema_name)["properties"])

    def reply_schema(self) -> dict[str, Any] | None:
        """The schema that an engine can hold the reply to; None where the prompt asks for no JSON object."""
        if self.reply != "json":
            return None
        schema = load_schema(self.reply_schema_name)
        return {k: schema[k] for k in ("type", "properties", "required", "additionalProperties")}

    def draw(self, generator: Random) -> dict[str, str]:
        """A value for each slot."""
        # not choice(): only random() draws the same on every Python
        return {name: values[int(generator.random() * len(values))] for name, values in sorted(self.slots.items())}

    def request(self, values: Mapping[str, str], model: Model, seed: int) -> Request:
        """The request for one row: the system text, the examples as turns, and the row.

        Where a likelihood is asked for, `values` hold the answer too, and its turn ends the request.
        """
        turns: list[Mapping[str, str]] = [{"role": "user", "content": _render(self.user, values)}]
        if self.reply == "likelihood":
            turns.append({"role": "assistant", "content": _render(self.answer, values)})
        return make_request(
            (*self.opening, *turns),
            prompt_version=self.version,
            model=model,
            sampling=self.sampling,
            seed=seed,
            reply_schema=self.reply_schema(),
        )


def prompt_version(name: str, text: str) -> str:
    """The prompt's name and the hash of its whole file."""
    return f"{name}-{blake2b(text.encode(), digest_size=6).hexdigest()}"


def load_prompt(name: str) -> Prompt:
    """A prompt by its name in prompts/, or by the path of a TOML file of the same form.

    UserError where the file breaks schemas/prompt.schema.json, a template uses placeholders that are not declared, or
    an example is not one.
    """
    path = Path(name) if name.endswith(".toml") else resource("prompts", f"{name}.toml")
    if not path.is_file():
        raise UserError(f"There is no prompt file {path}: name one that exists, or a prompt by its name.", exit_code=2)
    content = path.read_bytes()
    try:
        text = content.decode()
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise UserError(f"The prompt {path} is not valid TOML: {fault}.", exit_code=2) from None
    _check(path, given)
    answer = given["answer"]
    opening: list[Mapping[str, str]] = [{"role": "system", "content": given["system"].strip()}]
    for example in given["examples"]:
        opening.append({"role": "user", "content": _render(given["user"], example)})
        opening.append({"role": "assistant", "content": _render(answer, example)})
    return Prompt(
        name=given["name"],
        version=prompt_version(given["name"], text),
        text=text,
        reply_schema_name=given["reply_schema"],
        reply=given["reply"],
        placeholders=tuple(given["placeholders"]),
        sampling=Sampling(**given["sampling"]),
        user=given["user"],
        answer=answer,
        opening=tuple(opening),
        examples=tuple(given["examples"]),
        slots=given.get("slots", {}),
    )


def _check(path: Path, given: Mapping[str, Any]) -> None:
    for fault in _faults(given):
        raise UserError(f"The prompt {path} is not usable: {fault}.")


def _faults(given: Mapping[str, Any]) -> Iterator[str]:
    """What breaks the contract; each check relies on those before it."""
    if fault := first_fault("prompt", given):
        yield fault
    fields = list(load_schema(given["reply_schema"])["properties"])
    yield from _template_faults("user", given["user"], given["placeholders"])
    yield from _template_faults("answer", given["answer"], fields)
    if undeclared := sorted(set(given.get("slots", {})) - set(given["placeholders"])):
        yield f"its slots name {', '.join(undeclared)}, which is no placeholder"
    needed = {*given["placeholders"], *fields}
    for number, example in enumerate(given["examples"], start=1):
        if wrong := sorted(needed ^ set(example)):
            yield f"example {number} needs exactly {', '.join(sorted(needed))}: see {', '.join(wrong)}"
        if not _is_reply(given, example, fields):
            yield f"the answer of example {number} is not itself a reply of the form asked for ({given['reply']})"


def _is_reply(given: Mapping[str, Any], example: Mapping[str, str], fields: Sequence[str]) -> bool:
    answer = _render(given["answer"], example)
    if given["reply"] == "likelihood":
        return bool(answer)
    if given["reply"] == "ranking":
        shown = len(_SHOWN.findall(_render(given["user"], example)))
        return parse_ranking(answer, shown).parse == "complete"
    parsed = parse_reply(answer, fields)
    return parsed.parse == "complete" and all(parsed.fields[name] == example[name].strip() for name in fields)


def _template_faults(key: str, template: str, allowed: Sequence[str]) -> Iterator[str]:
    from jinja2 import TemplateSyntaxError, meta

    try:
        used = meta.find_undeclared_variables(_environment().parse(template))
    except TemplateSyntaxError as fault:
        yield f"its {key} template cannot be read ({fault})"
        return
    if used != set(allowed):
        yield (
            f"its {key} template uses {', '.join(sorted(used)) or 'no placeholder'} where "
            f"{', '.join(sorted(allowed)) or 'none'} are declared; make the two agree"
        )


def _render(template: str, values: Mapping[str, str]) -> str:
    return str(_template(template).render(values)).strip()


@cache
def _template(text: str) -> Any:
    return _environment().from_string(text)


@cache
def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined)
    # jinja2's own tojson writes every letter outside ASCII as an escape: an example must show the language itself
    environment.filters["tojson"] = partial(json.dumps, ensure_ascii=False)
    return environment
