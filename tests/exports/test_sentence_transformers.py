"""What is exported for sentence-transformers is trained on as it is."""

from pathlib import Path
from typing import Any

import pytest

from builders.export import Export, export
from builders.store.versions import Version
from tests.exports.making import chunk, hostile, query, triplet, written
from tests.exports.test_targets import expected
from tests.making import rows_of
from tests.retrieval.making import write_tiny_bert

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def triplets(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return hostile(tmp_path_factory.mktemp("hostile") / "data")


def loaded(triplets: Version, folder: Path, **options: Any) -> Any:
    """The exported folder as datasets.load_dataset opens it."""
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    config = Export((str(triplets),), "sentence-transformers", folder / "out", triplets.folder.parent.parent, **options)
    out = export(config)
    return load_dataset(str(out), cache_dir=str(folder / "cache"))


def test_columns_stand_in_the_order_that_losses_read(triplets: Version, tmp_path: Path) -> None:
    read = loaded(triplets, tmp_path, split="all", query_prefix="Query: ")
    for name, split in (("train", "train"), ("test", "heldout")):
        assert read[name].column_names == ["anchor", "positive", "negative_1", "negative_2", "negative_3"]
        rows = [
            (f"Query: {q}", positives[0], *negatives)
            for q, positives, negatives in expected(triplets, split, texts=True)
        ]
        assert [tuple(row.values()) for row in read[name]] == rows


def test_every_positive_has_a_row_where_all_are_asked_for(triplets: Version, tmp_path: Path) -> None:
    read = loaded(triplets, tmp_path, positives="all", negatives=2, scores=True)["train"]
    assert read.column_names == ["anchor", "positive", "negative_1", "negative_2", "label"]
    rows = [
        (query, positive, *negatives[:2])
        for query, positives, negatives in expected(triplets, "train", texts=True)
        for positive in positives
    ]
    assert [tuple(row.values())[:-1] for row in read] == rows
    labels = [
        [score, *row["negative_scores"][:2]]
        for row in rows_of(triplets)
        if row["split"] == "train"
        for score in row["positive_scores"]
    ]
    assert read["label"][:] == labels


def test_scores_are_those_of_the_texts_beside_them_where_rows_are_uneven(tmp_path: Path) -> None:
    ids = [f"d{i}#0000" for i in range(9)]
    chunks = written(tmp_path / "data", "chunks", "chunk", [[chunk(i, f"text of {i}") for i in ids]])
    asked = [query(f"{ids[i]}~sent0", f"query {i}") for i in range(3)]
    queries = written(tmp_path / "data", "queries", "query", [asked], [chunks])
    rows = [triplet(f"{ids[i]}~sent0", [ids[i]], ids[3 : 5 + 2 * i]) for i in range(3)]
    version = written(tmp_path / "data", "triplets", "triplet", [rows], [chunks, queries])
    read = loaded(version, tmp_path, scores=True)["train"]
    assert [len(row) for row in read["label"]] == [3, 3, 3]  # one positive, and the 2 negatives that every row has
    for row, made in zip(read, rows, strict=True):
        assert row["label"] == [*made["positive_scores"], *made["negative_scores"][:2]]
        assert row["negative_2"] == f"text of {made['negative_ids'][1]}"


def test_a_trainer_and_both_kinds_of_loss_take_it_as_it_is(triplets: Version, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss, MultipleNegativesRankingLoss

    read = loaded(triplets, tmp_path, scores=True)["train"]
    model = SentenceTransformer(str(write_tiny_bert(tmp_path / "bert")), device="cpu")
    before = [parameter.clone() for parameter in model.parameters()]
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path / "run"),
        max_steps=1,
        per_device_train_batch_size=4,
        report_to="none",
        use_cpu=True,
        save_strategy="no",
    )
    trainer = SentenceTransformerTrainer(
        model, arguments, train_dataset=read.remove_columns("label"), loss=MultipleNegativesRankingLoss(model)
    )
    assert trainer.train().training_loss > 0
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    batch = trainer.data_collator([read[i] for i in range(4)])
    features, labels = trainer.collect_features(batch)
    assert len(features) == 5
    assert labels.tolist() == [pytest.approx(row) for row in read["label"][:4]]
    assert DistillKLDivLoss(model)(features, labels).item() > 0
