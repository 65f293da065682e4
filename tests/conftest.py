"""What many tests need: a tokenizer trained here, a small corpus, the versions made from it, an engine that is none."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

from builders import candidates, corpus, cropped_sentences, synthetic_queries
from builders.llm.engines import EngineOptions
from builders.llm.requests import Request
from builders.store.versions import Version, all_versions, find_version
from builders.text import ingest
from tests.corpora import documents, faults
from tests.making import Answer, FakeEngine, one_query
from tests.retrieval.making import HashEncoder

SHARD_DOCUMENTS, SHARDS = 9, 5

# A busy machine is no fault of the code: what measures time is marked `alone`.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("alone") and Path(__file__).parent / "llm" not in item.path.parents:
            raise pytest.UsageError(f"{item.nodeid} is marked alone, and make test runs those of tests/llm alone.")


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE tokenizer of 800 tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=800, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([row["text"] for row in documents(60, seed=1)], trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """notes.jsonl: 36 documents in six languages, two near copies of one, and five rows that are no documents."""
    path = tmp_path_factory.mktemp("corpus") / "notes.jsonl"
    rows = documents()
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows + faults(rows)) + "\n")
    return path


@pytest.fixture(scope="session")
def corpus_config(corpus_file: Path, tokenizer_file: Path) -> corpus.Corpus:
    """What `built` was made with."""
    return corpus.Corpus(str(corpus_file), tokenizer=str(tokenizer_file), max_tokens=96, heldout=0.2)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents in shards of nine rows, as in `built`."""
    monkeypatch.setattr(ingest, "SHARD_DOCUMENTS", SHARD_DOCUMENTS)


@pytest.fixture(scope="session")
def built(corpus_config: corpus.Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with chunks, Sent and QGen queries. To be read: `chunks` is a copy to write to."""
    data = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "SHARD_DOCUMENTS", SHARD_DOCUMENTS)
        chunks = corpus.main(replace(corpus_config, data=data))
    assert chunks is not None
    assert len(chunks.shards()) == SHARDS
    cropped_sentences.main(cropped_sentences.CroppedSentences(str(chunks), data))
    options = EngineOptions(engine="openai", model="fake")
    synthetic_queries.main(synthetic_queries.SyntheticQueries(str(chunks), data, llm=options), FakeEngine(one_query))
    return data


@pytest.fixture(scope="session")
def searched(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`built` with candidates of its Sent queries. To be read."""
    data = Path(shutil.copytree(built, tmp_path_factory.mktemp("searched") / "data"))
    made = [v for v in all_versions(data) if v.table == "queries"]
    sent = next(v for v in made if v.manifest["stage"] == "builders.cropped_sentences")
    assert candidates.main(candidates.Candidates(str(sent), data, k=12), HashEncoder()) is not None
    return data


@pytest.fixture
def chunks(built: Path, tmp_path: Path) -> Version:
    """The chunks of the small corpus, in a data folder of the test's own that holds no query yet."""
    data = tmp_path / "data"
    shutil.copytree(
        built, data, ignore=lambda folder, names: [n for n in names if n[:5] in ("queri", "query", "journ")]
    )
    return find_version(data, "chunks")


@pytest.fixture
def fake_engine() -> Callable[[Callable[[Request], Answer] | Iterable[Answer]], FakeEngine]:
    """Makes an engine that replies from a function of the request, or from a queue."""
    return FakeEngine


@pytest.fixture
def stand_ins_used() -> Iterator[None]:
    """For tests of releases that are not about checks, card and page."""
    from tests.releases.stand_ins import stand_in

    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        yield
