"""Held-out losses are those of plain logits, and a language is lost by what befell the others."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from builders.cli.errors import UserError
from drama_train.language_model import load_language_model
from drama_train.pretraining.perplexity import Known, LanguageLoss, heldout_losses, known, mean_loss
from drama_train.pretraining.tokens import Tokens


@pytest.mark.parametrize(("blocks", "batch"), [(1, 1), (2, 3), (100, 2)])
def test_a_loss_is_of_plain_logits(small_tokens: Tokens, tiny_folder: Path, blocks: int, batch: int) -> None:
    model = load_language_model(str(tiny_folder)).model.train()
    found = heldout_losses(model, small_tokens, blocks=blocks, batch=batch)
    assert list(found) == ["de", "en"] and model.training
    for name, one in found.items():
        ids = torch.from_numpy(small_tokens.languages[name].heldout[:blocks].astype(np.int64))
        with torch.no_grad():
            logits = model(ids).logits
        plain = functional.cross_entropy(logits[:, :-1].reshape(-1, 512), ids[:, 1:].reshape(-1))
        assert one.loss == pytest.approx(float(plain), rel=1e-5)
        assert one.tokens == ids[:, 1:].numel() > 0
        assert one.perplexity == pytest.approx(math.exp(float(plain)), rel=1e-4)


def test_other_numbers_of_the_tokens_are_read_as_such(small_tokens: Tokens, tiny_folder: Path) -> None:
    """A model whose rows were shuffled, given where each token went, says the same."""
    plain = load_language_model(str(tiny_folder)).model
    numbers = torch.randperm(512, generator=torch.Generator().manual_seed(1))
    other = load_language_model(str(tiny_folder)).model
    with torch.no_grad():
        other.get_input_embeddings().weight[numbers] = plain.get_input_embeddings().weight
    expected = heldout_losses(plain, small_tokens, blocks=2, batch=2)
    found = heldout_losses(other, small_tokens, blocks=2, batch=2, numbers=numbers)
    unmapped = heldout_losses(other, small_tokens, blocks=2, batch=2)
    for name, one in expected.items():
        assert found[name].loss == pytest.approx(one.loss, rel=1e-5)
        assert abs(unmapped[name].loss - one.loss) > 0.1


def _losses(**values: float) -> dict[str, LanguageLoss]:
    return {name: LanguageLoss(value, 100) for name, value in values.items()}


def _known(**values: tuple[float, float]) -> Known:
    """{language: (the source's loss, that of frequencies)}."""
    return Known(
        _losses(**{name: source for name, (source, _) in values.items()}),
        {name: unigram for name, (_, unigram) in values.items()},
    )


def test_lost_is_what_keeps_less_than_the_others() -> None:
    """Finnish has less to know in a token: as much of it is kept at half of the rise."""
    before = _known(en=(3.0, 7.0), de=(3.0, 7.0), pl=(3.0, 7.0), fi=(2.0, 4.0))
    alike = _losses(en=4.0, de=4.0, pl=4.0, fi=2.5)
    assert before.kept(alike) == {name: pytest.approx(0.75) for name in ("en", "de", "pl", "fi")}
    assert before.lost(alike) == {}
    assert before.lost(_losses(en=4.0, de=4.4, pl=6.0, fi=2.4)) == {"pl": 0.25}
    assert before.lost(_losses(en=4.0, pl=6.0)) == {"pl": 0.25}
    assert before.lost(_losses(en=3.9, de=3.9, pl=4.91, fi=2.45)) == {"pl": pytest.approx(0.5225)}
    assert before.lost(_losses(en=3.9, de=3.9, pl=4.89, fi=2.45)) == {}


def test_what_is_not_trained_on_is_compared_with_what_is() -> None:
    """All but English goes, so that the median of all goes too."""
    losses = _losses(en=3.5, de=6.0, pl=6.0, fi=6.0)
    values = {"en": (3.0, 7.0), "de": (3.0, 7.0), "pl": (3.0, 7.0), "fi": (3.0, 7.0)}
    assert _known(**values).lost(losses) == {}
    only = replace(_known(**values), trained=("en",))
    assert only.lost(losses) == {"de": 0.25, "pl": 0.25, "fi": 0.25}


def test_where_nothing_is_kept_none_is_lost_beside_the_others() -> None:
    before = _known(en=(3.0, 7.0), de=(3.0, 7.0), pl=(3.0, 7.0))
    assert before.lost(_losses(en=22.0, de=18.0, pl=9.0)) == {}
    assert before.kept(_losses(en=22.0)) == {"en": 0.0}


def test_of_one_language_nothing_can_be_told_nor_of_one_that_the_source_does_not_know() -> None:
    assert _known(pl=(3.0, 7.0)).lost(_losses(pl=9.0)) == {}
    before = _known(en=(3.0, 7.0), pl=(6.95, 7.0))
    assert before.kept(_losses(en=3.0, pl=9.0, ja=1.0)) == {"en": 1.0}
    assert before.lost(_losses(en=3.0, pl=9.0, ja=1.0)) == {}


def test_frequencies_are_those_of_the_texts_for_training(small_tokens: Tokens) -> None:
    found = known(_losses(de=3.0, en=3.0, ja=3.0), small_tokens).unigram
    assert list(found) == ["de", "en"]
    for name, loss in found.items():
        ids = torch.from_numpy(small_tokens.languages[name].train.astype(np.int64)).reshape(-1)
        parts = torch.bincount(ids).double() / len(ids)
        assert loss == pytest.approx(float(-parts[ids].log().mean())) and 3 < loss < math.log(512)


def test_the_mean_is_over_the_languages_trained_on() -> None:
    losses = _losses(en=3.0, de=2.0, pl=10.0)
    assert mean_loss(losses, ["en", "de", "ja"]) == 2.5
    with pytest.raises(UserError, match="held-out loss of de is no number: lower --lr"):
        mean_loss({**losses, **_losses(de=math.nan)}, ["en", "de"])


def test_a_perplexity_beyond_numbers_is_a_number() -> None:
    assert math.isfinite(LanguageLoss(5000.0, 1).perplexity)
