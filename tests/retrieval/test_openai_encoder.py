"""The /embeddings engine: order, batches, retries, too long texts, and when it stops."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from builders.cli.errors import UserError
from builders.llm.requests import EngineStopped
from builders.llm.retries import Retries
from builders.retrieval.encoders import EncoderOptions, UnusableVectors, unit_vectors
from builders.retrieval.openai_encoder import OpenAIEncoder
from tests.retrieval.embedding_server import EmbeddingServer
from tests.retrieval.making import vector_of

QUICK = Retries(max_attempts=4, first_wait=0.005, longest_wait=0.02, outage=0.0)
TEXTS = [f"text {'word ' * (at % 7)}{at}" for at in range(50)]


@contextmanager
def encoder(server: EmbeddingServer, retries: Retries = QUICK, **options: Any) -> Iterator[OpenAIEncoder]:
    chosen = EncoderOptions("openai", "tiny", base_url=server.url, **{"batch_size": 8, **options})
    made = OpenAIEncoder(chosen, retries)
    yield made
    made.close()
    made.close()


def wanted(texts: list[str], prompt: str = "") -> np.ndarray[Any, Any]:
    return unit_vectors(np.stack([vector_of(prompt + text) for text in texts]))


def test_vectors_come_in_the_order_of_the_texts_with_bounded_concurrency() -> None:
    with EmbeddingServer(["shuffled", "base64"]) as server, encoder(server, concurrency=3) as made:
        assert made.encode(TEXTS, "document") == pytest.approx(wanted(TEXTS), abs=1e-6)
        assert made.dim == 8 and made.truncated == 0
        assert len(server.arrivals) == 7 and server.most_held <= 3
        assert made.encode([], "query").shape == (0, 8)


def test_prompts_are_put_before_the_texts() -> None:
    with EmbeddingServer() as server, encoder(server, query_prompt="query: ") as made:
        assert made.encode(TEXTS[:3], "query") == pytest.approx(wanted(TEXTS[:3], "query: "), abs=1e-6)
        assert made.encode(TEXTS[:3], "document") == pytest.approx(wanted(TEXTS[:3]), abs=1e-6)
        assert made.identity("query") != made.identity("document")


def test_hiccups_are_ridden_out() -> None:
    with EmbeddingServer(["429", "500", "503", "html", "short", "429"]) as server, encoder(server) as made:
        assert made.encode(TEXTS, "document") == pytest.approx(wanted(TEXTS), abs=1e-6)
        assert len(server.arrivals) == 13


def test_a_batch_too_large_is_halved_and_a_text_too_long_is_cut_and_counted() -> None:
    texts = [*TEXTS[:10], "long " * 40]
    with EmbeddingServer(most=3, longest=100) as server, encoder(server) as made:
        found = made.encode(texts, "document")
    assert found[:10] == pytest.approx(wanted(TEXTS[:10]), abs=1e-6)
    assert made.truncated == 1
    assert found[10:] == pytest.approx(wanted([("long " * 40)[:84]]), abs=1e-6)  # 200, 150, 112, 84 characters


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("400", "answered 400: input: bad: it takes no such request"),
        ("filter", "it will not encode one of the texts"),
        ("401", "check the key in OPENAI_API_KEY"),
        ("404", "it has no model 'tiny'"),
        ("503", r"the last \d attempts"),
        ("html", "answered with no embeddings: <html>It works!</html>"),
        ("short", "answered with no embeddings: 7 vectors for 8 texts"),
    ],
)
def test_a_server_that_cannot_go_on_stops_the_run(behaviour: str, said: str) -> None:
    with EmbeddingServer([behaviour] * 200) as server, encoder(server) as made:
        with pytest.raises(EngineStopped, match=said) as stop:
            made.encode(TEXTS[:48], "document")
        assert str(stop.value).startswith(f"The server at {server.url} ")
        assert str(stop.value).endswith("; every vector that was stored is kept; run the same command again to go on.")
        assert threading.active_count() < 100


def test_keys_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with EmbeddingServer(["401"]) as server, encoder(server) as made, pytest.raises(EngineStopped) as stopped:
        made.encode(TEXTS[:1], "document")
    assert "sk-secret" not in str(stopped.value) and "***" in str(stopped.value)


def test_nobody_there() -> None:
    server = EmbeddingServer()
    server.__exit__()
    with encoder(server) as made, pytest.raises(EngineStopped, match="start it, or correct --base-url"):
        made.encode(["a"], "query")


def test_vectors_with_nan_name_their_rows() -> None:
    with EmbeddingServer(["nan"]) as server, encoder(server) as made, pytest.raises(UnusableVectors) as fault:
        made.encode(["a", "bb", "ccc"], "query")
    assert fault.value.rows == [1]


def test_a_model_changed_meanwhile_is_refused() -> None:
    with EmbeddingServer() as server, encoder(server) as made:
        made.encode(["a"], "query")
        server.dim = 9
        with pytest.raises(UserError, match="answered with 9 dimensions after 8"):
            made.encode(["b"], "query")
