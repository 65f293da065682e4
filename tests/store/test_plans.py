"""A version's name comes from everything that determines its rows, and from nothing else."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.store import plans
from builders.store.plans import Plan, PromptUse
from builders.store.versions import Version


def version(name: str = "aa", content: str = "1", table: str = "chunks") -> Version:
    return Version(Path("nowhere"), {"table": table, "version": name, "content_hash": content})


PLAN = Plan(
    table="queries",
    record="query",
    stage="builders.synthetic_queries",
    revision=1,
    config={"limit": 5, "gates": {"copy": 0.9}},
    inputs=(version(), version("bb")),
    prompt=PromptUse("plain", "plain-1"),
    model={"id": "tiny", "revision": "1"},
    sampling={"temperature": 0.8},
    seed=0,
    facts={"engine": "openai"},
)

OTHER: dict[str, list[Any]] = {
    "table": ["query_drafts"],
    "record": ["chunk"],
    "stage": ["builders.cropped_sentences"],
    "revision": [2],
    "config": [{"limit": 6, "gates": {"copy": 0.9}}, {"limit": 5, "gates": {"copy": 0.8}}, {"limit": None}, {}],
    "inputs": [
        (),
        (version(),),
        (version("bb"), version()),
        (version("cc"), version("bb")),
        (version(content="2"), version("bb")),
        (version(table="documents"), version("bb")),
    ],
    "prompt": [None, PromptUse("json", "plain-1"), PromptUse("plain", "plain-2")],
    "model": [None, {"id": "tiny", "revision": "2"}, {"id": "large", "revision": "1"}],
    "sampling": [None, {"temperature": 0.0}, {"temperature": 0.8, "top_p": 1.0}],
    "seed": [None, 1],
}


def test_every_part_of_a_plan_is_tried() -> None:
    assert set(OTHER) | {"facts"} == {field.name for field in fields(Plan)}


@pytest.mark.parametrize(("part", "value"), [(part, value) for part, values in OTHER.items() for value in values])
def test_a_changed_part_changes_the_name(part: str, value: Any) -> None:
    changed = replace(PLAN, **{part: value})
    assert changed.version() != PLAN.version()
    assert changed.identity() != PLAN.identity()


def test_all_changed_plans_have_names_of_their_own() -> None:
    made = [replace(PLAN, **{part: value}) for part, values in OTHER.items() for value in values]
    assert len({p.version() for p in [PLAN, *made]}) == len(made) + 1


def test_a_changed_schema_changes_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PLAN.version()
    monkeypatch.setattr(plans, "schema_hash", lambda record: f"another {record}")
    assert PLAN.version() != before


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_facts_do_not_change_the_name(facts: dict[str, Any]) -> None:
    assert replace(PLAN, facts=facts).version() == PLAN.version()


def test_the_order_of_keys_does_not_change_the_name() -> None:
    turned = {"gates": {"copy": 0.9}, "limit": 5}
    assert list(turned) != list(PLAN.config)
    assert replace(PLAN, config=turned).version() == PLAN.version()
