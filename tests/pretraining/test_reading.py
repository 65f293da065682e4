"""Flags of the texts that cannot be are refused in one sentence."""

from types import SimpleNamespace
from typing import Any

import pytest

from builders.cli.errors import UserError
from drama_train.pretraining.reading import Reading


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"texts": ()}, "--texts names no text: name"),
        ({"limit": 0}, "The --limit 0 leaves no document: give 1"),
        ({"length": 7}, "The --length 7 leaves no room"),
        ({"weights": ("de=1", "en=1", "de=2")}, "--weights names de twice"),
        ({"weights": ("de",)}, "--weights de cannot be read: write it like de=2"),
        ({"weights": ("=1",)}, "--weights =1 cannot be read"),
        ({"heldout": 0.0}, "a --heldout between 0 and 0.5"),
    ],
)
def test_flags_that_cannot_be_are_refused(given: dict[str, Any], told: str) -> None:
    Reading(texts=("notes",), weights=("de=1", "en=1"))
    with pytest.raises(UserError, match=told) as fault:
        Reading(**{"texts": ("notes",)} | given)
    assert fault.value.exit_code == 2


def test_a_block_fits_the_positions_of_the_model() -> None:
    model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=256))
    Reading(("notes",), length=256).check_length(model, "tiny")
    with pytest.raises(UserError, match="The model tiny has 256 positions, and --length asks for 257"):
        Reading(("notes",), length=257).check_length(model, "tiny")
