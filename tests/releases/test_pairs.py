"""The config `pairs` is what sentence-transformers trains on as it is."""

from pathlib import Path
from typing import Any

import pytest

from tests.exports.making import hostile
from tests.exports.test_targets import expected
from tests.releases.making import manifest_of, released, rows_in, small
from tests.retrieval.making import write_tiny_bert


def test_rows_are_the_texts_of_the_triplets(tmp_path: Path) -> None:
    triplets = hostile(tmp_path / "data")
    folder = released([triplets], tmp_path / "out")
    for split in ("train", "heldout"):
        rows = [
            (query, positives[0], *negatives) for query, positives, negatives in expected(triplets, split, texts=True)
        ]
        assert [tuple(row.values()) for row in rows_in(folder, "pairs", split)] == rows != []
    assert list(rows_in(folder, "pairs")[0]) == ["anchor", "positive", "negative_1", "negative_2", "negative_3"]


@pytest.mark.parametrize(("wanted", "columns", "rows"), [(7, 7, 1), (9, 7, 1), (2, 2, 2), (1, 1, 2)])
def test_rows_with_too_few_negatives_are_left_out_and_said(
    tmp_path: Path, wanted: int, columns: int, rows: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The three triplets have 7, 7 and 2; where none has as many as wanted, 7 it is."""
    folder = released([small(tmp_path / "data")], tmp_path / "out", negatives=wanted)
    assert len(rows_in(folder, "pairs")) == rows
    assert len(rows_in(folder, "pairs")[0]) == 2 + columns
    assert len(rows_in(folder, "triplets")) == 2
    said = f"{2 - rows:,} triplets have fewer than {columns} negatives: they are in triplets, and not in pairs"
    assert (said in capsys.readouterr().err) is (rows < 2)
    assert manifest_of(folder)["configs"]["pairs"]["record"] is None


def test_a_trainer_takes_the_folder_as_it_is(tmp_path: Path) -> None:
    import torch
    from datasets import disable_progress_bars, load_dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    disable_progress_bars()
    folder = released([hostile(tmp_path / "data")], tmp_path / "out")
    read: Any = load_dataset(str(folder), "pairs", split="train", cache_dir=str(tmp_path / "cache"))
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
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=read, loss=MultipleNegativesRankingLoss(model))
    assert trainer.train().training_loss > 0
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    features, labels = trainer.collect_features(trainer.data_collator([read[i] for i in range(4)]))
    assert (len(features), labels) == (5, None)  # a text a column, and none that is taken for a label


def test_every_config_opens_by_its_name_and_split_whole_and_streamed(tmp_path: Path) -> None:
    from datasets import disable_progress_bars, get_dataset_config_names, load_dataset

    disable_progress_bars()
    folder = released([small(tmp_path / "data")], tmp_path / "out")
    configs = manifest_of(folder)["configs"]
    assert get_dataset_config_names(str(folder)) == list(configs) == ["corpus", "queries", "triplets", "pairs"]
    for config, about in configs.items():
        for split in about["splits"]:
            rows = rows_in(folder, config, split)
            read: Any = load_dataset(str(folder), config, split=split, cache_dir=str(tmp_path / "cache"))
            assert list(read) == rows != []
            assert list(load_dataset(str(folder), config, split=split, streaming=True)) == rows
