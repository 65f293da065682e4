"""Batches of a release: sampled by seed, triplet and epoch; texts, identities and known positives by hand."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from builders.cli.errors import UserError
from drama_train.retriever import Retriever
from drama_train.training.batches import BatchMaker, sample
from drama_train.training.known import excluded
from drama_train.training.mixture import Draw
from drama_train.training.releases import open_release
from drama_train.training.shares import read_shares
from drama_train.training.streams import KindStream, Tables, open_tables, train_streams
from tests.release_making import expected_rows
from tests.training.small_release import write_small_release

ROW = {
    "triplet_id": "q+sent",
    "query_id": "q",
    "positive_ids": ["a", "b", "c"],
    "positive_scores": [0.9, 0.8, None],
    "negative_ids": ["n1", "n2", "n3", "n4"],
    "negative_scores": [0.4, 0.3, 0.2, 0.1],
}


@pytest.fixture
def streams(small_tables: Tables) -> list[KindStream]:
    return train_streams([small_tables], read_shares("rows"), 1.0)


def test_a_row_is_sampled_by_seed_triplet_and_epoch() -> None:
    first = sample(ROW, 3, seed=1, epoch=0)
    assert sample(dict(ROW), 3, seed=1, epoch=0) == first
    epochs = [sample(ROW, 3, seed=1, epoch=epoch) for epoch in range(60)]
    assert len({tuple(one.chunk_ids) for one in epochs}) > 20
    assert set(Counter(one.chunk_ids[0] for one in epochs)) == {"a", "b", "c"}
    for one in epochs:
        assert len(set(one.chunk_ids[1:])) == 3 <= len(set(one.chunk_ids[1:]) & set(ROW["negative_ids"]))
    assert sample(ROW, 3, seed=2, epoch=0) != first or sample(ROW, 3, seed=3, epoch=0) != first


def test_scores_are_of_the_sampled_and_absent_where_one_is() -> None:
    scores = dict(
        zip(ROW["positive_ids"] + ROW["negative_ids"], ROW["positive_scores"] + ROW["negative_scores"], strict=True)
    )
    for epoch in range(30):
        one = sample(ROW, 2, seed=0, epoch=epoch)
        if one.chunk_ids[0] == "c":
            assert np.isnan(one.scores).all()
        else:
            assert one.scores == [scores[chunk_id] for chunk_id in one.chunk_ids]


def test_a_row_with_few_negatives_gives_them_again_without_scores() -> None:
    one = sample(ROW, 7, seed=0, epoch=0)
    assert sorted(Counter(one.chunk_ids[1:]).values()) == [1, 2, 2, 2]
    assert np.isnan(one.scores).all() and len(one.scores) == 8


def test_a_row_without_negatives_is_named() -> None:
    with pytest.raises(UserError, match=r"The triplet q\+sent has no negative"):
        sample(ROW | {"negative_ids": []}, 3, seed=0, epoch=0)


def test_streams_are_kinds_of_train_rows(streams: list[KindStream], small_release: object) -> None:
    counts = {one.stream.name: len(one.stream.rows) for one in streams}
    rows = Counter(
        f"small/{row['source']}/{row['method']}/{row['language']}"
        for row in expected_rows(small_release, "triplets", "train")
    )
    assert counts == dict(rows) and sum(counts.values()) == 40
    assert sum(one.stream.weight for one in streams) == pytest.approx(1)


def test_a_batch_holds_what_its_rows_say(
    streams: list[KindStream], small_tables: Tables, tiny: Retriever, small_release: Path
) -> None:
    draws = [Draw(number, int(row), 0) for number, one in enumerate(streams) for row in one.stream.rows[:3]]
    maker = BatchMaker(streams, tiny, 2, seed=5)
    batch = maker.make(draws)
    triplets = {row["triplet_id"]: row for row in expected_rows(small_release, "triplets", "train")}
    texts = {row["chunk_id"]: row for row in expected_rows(small_release, "corpus", "train")}
    queries = {row["query_id"]: row["text"] for row in expected_rows(small_release, "queries", "train")}
    ids = maker.triplet_ids(draws)
    assert len(set(ids)) == len(draws) > 8
    for at, triplet_id in enumerate(ids):
        row = triplets[triplet_id]
        chosen = sample(row, 2, seed=5, epoch=0)
        assert batch.query_tokens[at] == tiny.token_ids([queries[row["query_id"]]], "query")[0]
        own = batch.document_tokens[3 * at : 3 * at + 3]
        assert own == tiny.token_ids([texts[chunk_id]["text"] for chunk_id in chosen.chunk_ids], "document")
        assert batch.teacher is not None
        assert batch.teacher[at].tolist() == chosen.scores


def test_positives_of_the_same_query_elsewhere_are_masked(
    streams: list[KindStream], tiny: Retriever, small_release: Path
) -> None:
    """Rows 0 and 1 ask the same query of two chunks: neither chunk is a negative of the other row."""
    rows = expected_rows(small_release, "triplets", "train")
    assert rows[0]["normalised_text_hash"] == rows[1]["normalised_text_hash"]
    draws = [Draw(n, row, 0) for row in range(8) for n, one in enumerate(streams) if row in one.stream.rows]
    batch = BatchMaker(streams, tiny, 2, seed=0).make(draws)
    import torch

    own = torch.arange(24).view(8, 3)
    mask = excluded(batch.known, batch.identity, own, repeats=False)
    assert mask[0, 3] and mask[1, 0]
    positives = {row: {rows[row]["chunk_id"]} | ({rows[1 - row]["chunk_id"]} if row < 2 else set()) for row in range(8)}
    chosen = [chunk_id for row in range(8) for chunk_id in sample(rows[row], 2, 0, 0).chunk_ids]
    texts = {row["chunk_id"]: row["text"] for row in expected_rows(small_release, "corpus", "train")}
    for row in range(8):
        known = {texts[chunk_id] for chunk_id in positives[row]}
        assert mask[row].tolist() == [texts[chunk_id] in known for chunk_id in chosen]


def test_positives_that_another_release_knows_are_masked(
    small_tables: Tables, tiny: Retriever, small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 1 of one release asks what row 3 of the other asks: neither's positive is a negative of the other."""
    import datasets
    import torch

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    words = expected_rows(small_release, "triplets", "train")[3]["normalised_text_hash"]
    second = write_small_release(tmp_path / "other", name="other", seed=9, worded={1: words})
    tables = [small_tables, open_tables(open_release(str(second)))]
    streams = train_streams(tables, read_shares("rows"), 1.0)
    asked = [("other", 1), ("other", 2), ("small", 3)]
    draws = {
        (one.kind.release, row): Draw(number, row, 0)
        for number, one in enumerate(streams)
        for row in one.stream.rows.tolist()
        if (one.kind.release, row) in asked
    }
    batch = BatchMaker(streams, tiny, 1, seed=0).make([draws[one] for one in asked])
    mask = excluded(batch.known, batch.identity, torch.arange(6).view(3, 2), repeats=False)
    assert mask[:, [0, 2, 4]].tolist() == [[True, False, True], [False, True, False], [True, False, True]]


def test_a_query_of_many_rows_has_all_their_positives_masked(tmp_path: Path, tiny: Retriever) -> None:
    """A sentence that stands in every chunk is no reason to hold a wide table of its positives for all queries."""
    import datasets
    import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
        release = write_small_release(tmp_path / "same", worded=dict.fromkeys(range(2, 40), "f" * 32))
        tables = open_tables(open_release(str(release)))
    streams = train_streams([tables], read_shares("rows"), 1.0)
    draws = [Draw(n, row, 0) for row in range(4) for n, one in enumerate(streams) if row in one.stream.rows]
    batch = BatchMaker(streams, tiny, 2, seed=0).make(draws)
    assert torch.bincount(batch.known.query).tolist() == [2, 2, 38, 38]
    mask = excluded(batch.known, batch.identity, torch.arange(12).view(4, 3), repeats=False)
    assert mask[2:, [0, 3]].sum() == 0 and mask[2:, [6, 9]].all()


def test_an_empty_text_is_refused(streams: list[KindStream], tiny: Retriever, monkeypatch: pytest.MonkeyPatch) -> None:
    from drama_train.training import batches

    chunks = batches._chunks
    monkeypatch.setattr(batches, "_chunks", lambda t, ids: [(" \n", *c[1:]) for c in chunks(t, ids)])
    with pytest.raises(UserError, match=r"The text of train\d+#0 is empty"):
        BatchMaker(streams, tiny, 2, 0).make([Draw(0, int(streams[0].stream.rows[0]), 0)])


def test_rows_that_fit_no_share_are_told(
    small_tables: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = {
        one.stream.name: len(one.stream.rows) for one in train_streams([small_tables], read_shares("rows"), 1.0)
    }
    assert "left out" not in capsys.readouterr().err
    kept = next(iter(everything))
    language = kept.rpartition("/")[2]
    path = tmp_path / "mixture.toml"
    path.write_text(f'[[share]]\nlanguage = "{language}"\nweight = 1\n')
    used = {one.stream.name for one in train_streams([small_tables], read_shares(str(path)), 1.0)}
    left = sum(rows for name, rows in everything.items() if name not in used)
    assert left > 0
    assert f"{left:,} rows fit no share and are left out: " in capsys.readouterr().err
