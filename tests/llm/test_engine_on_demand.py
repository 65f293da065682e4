"""An engine on demand: one model for all passes, none where nobody asks, and the requests arrive whole."""

from builders.llm.engine_on_demand import EngineOnDemand
from builders.llm.engines import EngineOptions
from tests.llm.making import ask
from tests.making import FakeEngine


class Made(list[FakeEngine]):
    """The engines that were made."""

    def make(self, _: EngineOptions) -> FakeEngine:
        self.append(FakeEngine(lambda request: f"to {request.seed}"))
        return self[-1]


def test_no_model_is_loaded_until_there_is_a_request_and_one_serves_all() -> None:
    made = Made()
    engine = EngineOnDemand(EngineOptions(engine="openai", model="fake", revision="7"), made.make)
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


def test_closing_what_was_never_asked_makes_nothing() -> None:
    made = Made()
    EngineOnDemand(EngineOptions(engine="openai", model="fake"), made.make).close()
    assert made == []
