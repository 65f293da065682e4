"""What a reader has to know before using a model: limits that follow from its facts, in sentences."""

from collections.abc import Iterator, Mapping
from typing import Any

from drama_train.exporting.scores import Scores

# Fewer steps show that training works, and not what it can reach.
FEW_STEPS = 1000


def limits(facts: Mapping[str, Any], scores: Scores, dtype: str) -> list[str]:
    """Plain text: it holds names, so a page escapes it."""
    parts = (_attention(facts), _languages(facts), _lengths(facts), _training(facts), _scores(facts, scores))
    return [sentence for part in parts for sentence in part] + list(_precision(dtype))


def _attention(facts: Mapping[str, Any]) -> Iterator[str]:
    if facts["settings"].attention == "bidirectional":
        yield (
            "Its attention goes both ways (is_causal is false in config.json). A program that does not know that, such "
            "as transformers before 5.2, reads it causally and gives other vectors without a word: compare with "
            "golden.json."
        )


def _languages(facts: Mapping[str, Any]) -> Iterator[str]:
    if facts["languages"]:
        yield (
            f"Its training rows are in {', '.join(facts['languages'])}. Other languages were not trained on; what the "
            "model that it began from knew of them is not preserved."
        )
    else:
        yield "Which languages it was trained on is not recorded."


def _lengths(facts: Mapping[str, Any]) -> Iterator[str]:
    settings = facts["settings"]
    yield f"Texts are read up to {settings.max_length:,} tokens, and cut there."
    if settings.dims:
        told = ", ".join(map(str, settings.dims))
        yield f"Vectors were trained to be cut to {told} numbers; what other lengths lose was not trained."
    else:
        yield "No shorter vectors were trained: a vector that is cut loses more than one of a model trained for it."


def _training(facts: Mapping[str, Any]) -> Iterator[str]:
    steps = facts["run"].get("steps")
    if steps is not None and steps < FEW_STEPS:
        yield f"It was trained for {steps:,} steps, which shows that the training works and not what it can reach."
    if not facts["is_run"]:
        yield "It was exported from a model's folder and not from a run: how it was trained is not recorded."


def _scores(facts: Mapping[str, Any], scores: Scores) -> Iterator[str]:
    if not scores.rows:
        yield "It was exported without scores: how well it finds is not told here."
    elif not facts["scores_fit"]:
        yield (
            "The scores are of other weights than those that were exported, or of the same read otherwise (layers, "
            "attention, pooling, prefixes, tokens): compare the systems below."
        )
    if facts["checkpoint"] == "best" and facts["run"].get("best_score") is not None:
        yield (
            "The checkpoint was chosen by its score on held-out queries of the training data, so that score flatters "
            "it."
        )


def _precision(dtype: str) -> Iterator[str]:
    if dtype != "float32":
        yield (
            f"The weights are {dtype}. golden.json was made of them in float32; a program that computes in {dtype} "
            "differs more."
        )
