"""kill -9 of synthetic_triplets at a random point, then the same again: no answer is asked for twice, bytes are equal."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builders.llm.engines import EngineOptions
from builders.store.versions import find_version
from builders.synthetic_triplets import SyntheticTriplets, main
from tests.llm.loopback import Loopback
from tests.making import parquet_bytes, rows_of

pytestmark = pytest.mark.slow

REPLIES = "tests.writer:reply_to"
TASKS, PER_TASK, CONCURRENCY = 16, 2, 4


def settings(data: Path, url: str, tokenizer: Path) -> SyntheticTriplets:
    llm = EngineOptions(
        engine="openai", model="tiny", base_url=url, concurrency=CONCURRENCY, structured="none", price=(1.0, 1.0)
    )
    return SyntheticTriplets(TASKS, PER_TASK, "en", data, tokenizer=str(tokenizer), llm=llm)


def command(data: Path, url: str, tokenizer: Path) -> list[str]:
    arguments = (
        f"--tasks {TASKS} --per-task {PER_TASK} --languages en --data {data} --tokenizer {tokenizer} --engine openai "
        f"--model tiny --base-url {url} --concurrency {CONCURRENCY} --structured none --price 1 1"
    )
    return [sys.executable, "-m", "builders.synthetic_triplets", *arguments.split()]


def journalled(data: Path) -> int:
    """Whole lines of the journals."""
    return sum(journal.read_bytes().count(b"\n") for journal in data.glob("journals/*/*.jsonl"))


def test_a_run_killed_at_a_random_point_ends_as_if_it_had_not_been(tmp_path: Path, tokenizer_file: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with Loopback(tmp_path / "whole.jsonl", reply=REPLIES) as server:
        main(settings(whole, server.url, tokenizer_file))
        asked = server.counts()
    assert len(asked) >= TASKS * (1 + PER_TASK)

    stop_at = random.Random(time.time_ns()).randint(CONCURRENCY + 2, len(asked) - CONCURRENCY)
    with Loopback(tmp_path / "killed.jsonl", latency=0.01, reply=REPLIES) as server:
        process = subprocess.Popen(
            command(killed, server.url, tokenizer_file), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        while process.poll() is None and server.tell()["arrivals"] < stop_at:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.05)  # what was on its way arrives
        before = sum(server.counts().values())
        kept = journalled(killed)
        assert 0 < kept < len(asked), "the kill came in the middle"
        main(settings(killed, server.url, tokenizer_file))
        sent = server.counts()
    assert set(sent) == set(asked)
    assert sum(sent.values()) - before == len(asked) - kept, "what is in a journal is not asked again"
    for table in ("tasks", "documents", "chunks", "queries", "judgements"):
        a, b = find_version(whole, table), find_version(killed, table)
        assert a.name == b.name
        assert parquet_bytes(a.folder) == parquet_bytes(b.folder)
    assert len(rows_of(find_version(killed, "judgements"))) > TASKS
