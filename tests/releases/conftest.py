"""A release without its card, page and checks, which have tests of their own."""

from collections.abc import Iterator

import pytest

from tests.releases.stand_ins import stand_in


@pytest.fixture(autouse=True, scope="module")
def stand_ins() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        yield
