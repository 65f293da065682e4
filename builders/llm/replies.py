"""Parse an LLM's reply into named fields: complete as asked for, repaired, or failed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

Parse = Literal["complete", "repaired", "failed"]

_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_STRING = r'"(?:[^"\\]|\\.)*+"'
# Anything else after a closing quotation mark means that it stood inside the value, which is cut there.
_AFTER_STRING = r"(?=\s*+(?:[,}\]]|\Z))"
_OBJECT_START = re.compile(r'\{\s*"')
_THOUGHT_START, _THOUGHT_END = re.compile(r"<think(?:ing)?>"), re.compile(r"</think(?:ing)?>")
_QUOTES = {'"': '"', "'": "'", "“": "”", "«": "»", "「": "」", "‘": "’", "`": "`"}
# Starts of objects tried in one reply, so that a reply of braces costs no more than it should.
_STARTS_TRIED = 20


@dataclass(frozen=True, slots=True)
class Parsed:
    """`fields` holds every field asked for, or nothing where `parse` is failed; then `fault` says why."""

    parse: Parse
    fields: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


def parse_reply(text: str, names: Sequence[str]) -> Parsed:
    """The fields of a reply that was asked for as a JSON object, or as labelled lines ("Query: ...") in this order.

    Complete: exactly that and nothing else. Repaired: all fields can be told without doubt, from a fenced or surrounded
    object, other spellings of the names, decorated labels, text before or after, thoughts before (</think>). A missing
    field is never made up.
    """
    text = text.strip()
    fields = _object(text, names) or _plain_lines(text, names)
    if fields is not None:
        return _checked("complete", fields)
    answer = after_thoughts(text)
    if answer is None:
        return Parsed("failed", fault="the reply ends while it is still thinking")
    for candidate in _objects_inside(answer):
        fields = _fields_of(candidate, names)
        if fields is not None:
            return _checked("repaired", fields)
    fields = _labelled(answer, names) or _begun_object(answer, names)
    if fields is not None:
        return _checked("repaired", fields)
    return Parsed("failed", fault=_fault(answer, names))


def after_thoughts(text: str) -> str | None:
    """What follows the thinking (whose opening tag some chat templates put in the prompt); None where it never ends."""
    end = _THOUGHT_END.search(text)
    if end:
        return text[end.end() :].strip()
    return None if _THOUGHT_START.match(text) else text


def _checked(parse: Parse, fields: Mapping[str, str]) -> Parsed:
    # an escape of half a surrogate pair is no text
    return Parsed(parse, {name: value.encode("utf-8", "ignore").decode().strip() for name, value in fields.items()})


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice: which value is meant cannot be told")
    return dict(pairs)


def _object(text: str, names: Sequence[str]) -> dict[str, str] | None:
    """The text as exactly the object asked for."""
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or list(sorted(value)) != sorted(names):
        return None
    return value if all(isinstance(v, str) for v in value.values()) else None


def _objects_inside(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(strict=False, object_pairs_hook=_without_repeats)
    for fenced in _FENCE.findall(text):
        try:
            yield decoder.decode(fenced.strip())
        except (ValueError, RecursionError):
            continue
    for start in islice(_OBJECT_START.finditer(text), _STARTS_TRIED):
        try:
            yield decoder.raw_decode(text, start.start())[0]
        except (ValueError, RecursionError):
            continue


def _fields_of(value: Any, names: Sequence[str]) -> dict[str, str] | None:
    """The asked fields of an object that may spell their names otherwise, hold others too, or be wrapped in a list."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    folded: dict[str, Any] = {}
    for key, content in value.items():
        if key.strip().casefold() in folded:
            return None  # two spellings of one name: which is meant cannot be told
        folded[key.strip().casefold()] = content
    if not all(isinstance(folded.get(name), str) for name in names):
        return None
    if not any(c.isalnum() for name in names for c in folded[name]):
        return None  # {"query": "...", ...}: the form that was asked for, repeated before the answer
    return {name: folded[name] for name in names}


def _begun_object(text: str, names: Sequence[str]) -> dict[str, str] | None:
    """The asked fields that an object begins with, in order and each whole, however it goes on or ends.

    Small models close it with a comma or the wrong bracket, or go on with fields of their own. Where they name a field
    that was asked for once more, which is meant cannot be told.
    """
    pairs = r"\s*+,\s*+".join(rf'"{name}"\s*+:\s*+({_STRING})' for name in names)
    begun = re.search(r"\{\s*+" + pairs + _AFTER_STRING, text, re.DOTALL)
    if begun is None or re.search(rf'"(?:{"|".join(names)})"\s*+:', text[begun.end() :]):
        return None
    try:
        fields = {name: json.loads(value, strict=False) for name, value in zip(names, begun.groups(), strict=True)}
    except ValueError:
        return None
    return _fields_of(fields, names)


def _plain_lines(text: str, names: Sequence[str]) -> dict[str, str] | None:
    """Exactly one line a field, in order, labelled with the capitalised name; no value in quotation marks."""
    lines = text.split("\n")
    if len(lines) != len(names):
        return None
    fields = {}
    for name, line in zip(names, lines, strict=True):
        label = f"{name.capitalize()}: "
        value = line.removeprefix(label)
        if value == line or _unquoted(value.strip()) != value.strip():
            return None
        fields[name] = value
    return fields


def _labelled(text: str, names: Sequence[str]) -> dict[str, str] | None:
    """The first value of each label, however decorated; a value is one line, on the label's or the next.

    Labels must come in the order asked for. What follows the last field is ignored: small models go on with another
    round of the same labels.
    """
    label = re.compile(rf"([\s>*_#\-\d.)]*)({'|'.join(names)})([\s*_]*)[:\uff1a](.*)", re.IGNORECASE)
    fields: dict[str, str] = {}
    lines = (line for line in text.split("\n") if line.strip())
    for line in lines:
        match = label.match(line)
        if match is None:
            continue
        name = match[2].lower()
        if name != names[len(fields)]:
            return None
        value = _undecorated(match) or next(lines, "```").strip()
        if value.startswith("```") or label.match(value):
            return None  # a label without a value
        fields[name] = _unquoted(value)
        if len(fields) == len(names):
            return fields
    return None


def _undecorated(label: re.Match[str]) -> str:
    """The value of a label in bold (**Query:** ..., **Query**: ..., **Query: ...**) or plain; its own marks stay."""
    before, middle, value = label[1], label[3], label[4]
    marks = before[len(before.rstrip("*_")) :]
    if marks and value.startswith(marks):
        value = value[len(marks) :]
    elif marks and marks not in middle:
        value = value.rstrip().removesuffix(marks)
    return value.strip()


def _unquoted(value: str) -> str:
    if value.endswith('",'):  # of an object whose names are not quoted
        value = value[:-1]
    inner = value[1:-1]
    quoted = len(value) > 1 and _QUOTES.get(value[0]) == value[-1] and value[0] not in inner and value[-1] not in inner
    return inner if quoted else value


def _fault(text: str, names: Sequence[str]) -> str:
    if not text:
        return "the reply is empty"
    missing = [n for n in names if not re.search(rf"\b{n}\b", text, re.IGNORECASE)]
    if missing:
        return f"the reply does not name {', '.join(missing)}"
    return "the reply is neither a JSON object nor labelled lines with " + ", ".join(names)
