"""Micro-batches: every text in one of them, none above the budget, each text once."""

from hypothesis import given
from hypothesis import strategies as st

from drama_train.training.micro_batches import distinct, micro_batches


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 120))
def test_micro_batches_hold_every_text_within_the_budget(lengths: list[int], budget: int) -> None:
    cut = micro_batches(lengths, budget)
    assert sorted(at for part in cut for at in part) == list(range(len(lengths)))
    for part in cut:
        longest = max(lengths[at] for at in part)
        assert len(part) == 1 or longest * len(part) <= budget
    flat = [lengths[at] for part in cut for at in part]
    assert flat == sorted(lengths, reverse=True)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), max_size=30))
def test_distinct_texts_give_back_every_text(texts: list[list[int]]) -> None:
    found = distinct(texts)
    assert [found.rows[at] for at in found.numbers] == texts
    assert len({tuple(row) for row in found.rows}) == len(found.rows)
    assert found.tokens == sum(map(len, {tuple(t) for t in texts}))
