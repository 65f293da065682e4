"""Held-out losses are those of plain logits, and a language is lost by what befell the others."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from builders.cli.errors import UserError
from drama_train.language_model import load_language_model
from drama_train.pretraining.perplexity import LOST, LanguageLoss, heldout_losses, lost, mean_loss
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


def test_lost_is_what_rose_above_the_others() -> None:
    before = _losses(en=3.0, de=2.0, pl=1.0, fi=2.5)
    assert lost(_losses(en=4.0, de=3.0, pl=2.0, fi=3.5), before) == {}  # all by as much
    found = lost(_losses(en=3.2, de=2.1, pl=2.3, fi=2.7), before)
    assert found == {"pl": pytest.approx(1.1)}  # 1.3 above the source, the median of the others 0.2
    assert lost(_losses(en=3.2, pl=2.3), before) == {"pl": pytest.approx(1.1)}
    assert lost(_losses(pl=9.0), before) == {}  # of one language nothing can be told
    assert lost(_losses(pl=2.3, ja=9.0), before) == {}  # nor of one that is not in both
    just = _losses(en=3.0, de=2.0, pl=1.0 + LOST, fi=2.5)
    assert lost(just, before) == {} and lost({**just, **_losses(pl=1.01 + LOST)}, before)


def test_the_mean_is_over_the_languages_trained_on() -> None:
    losses = _losses(en=3.0, de=2.0, pl=10.0)
    assert mean_loss(losses, ["en", "de", "ja"]) == 2.5
    with pytest.raises(UserError, match="held-out loss of de is no number: lower --lr"):
        mean_loss({**losses, **_losses(de=math.nan)}, ["en", "de"])


def test_a_perplexity_beyond_numbers_is_a_number() -> None:
    assert math.isfinite(LanguageLoss(5000.0, 1).perplexity)
