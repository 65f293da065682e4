"""An engine on demand: one model for all passes, none where nobody asks, and the requests arrive whole."""

import pytest

from builders.llm import engine_on_demand
from builders.llm.engine_on_demand import EngineOnDemand
from builders.llm.engines import EngineOptions
from tests.llm.making import ask
from tests.making import FakeEngine


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """The engines that were made."""
    engines: list[FakeEngine] = []

    def make(_: EngineOptions) -> FakeEngine:
        engines.append(FakeEngine(lambda request: f"to {request.seed}"))
        return engines[-1]

    monkeypatch.setattr(engine_on_demand, "make_engine", make)
    return engines


def test_no_model_is_loaded_until_there_is_a_request_and_one_serves_all(made: list[FakeEngine]) -> None:
    engine = EngineOnDemand(EngineOptions(engine="openai", model="fake", revision="7"))
    assert (engine.model.id, engine.model.revision) == ("fake", "7")
    assert list(engine.generate([])) == []
    assert made == []
    for seeds in ((1, 2, 3), (4,)):
        replies = list(engine.generate(ask("a", seed=seed) for seed in seeds))
        assert [reply.text for reply in replies] == [f"to {seed}" for seed in seeds]
    assert len(made) == 1
    engine.close()
    engine.close()
    assert made[0].closed
    assert [reply.text for reply in engine.generate([ask("a", seed=5)])] == ["to 5"]
    assert len(made) == 2


def test_closing_what_was_never_asked_makes_nothing(made: list[FakeEngine]) -> None:
    EngineOnDemand(EngineOptions(engine="openai", model="fake")).close()
    assert made == []
