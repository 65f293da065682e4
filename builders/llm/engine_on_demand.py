"""An engine that loads its model for the first request: a run that finds all replies in its journals loads none."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from builders.llm.engines import EngineOptions, find_model, make_engine
from builders.llm.requests import Engine, Reply, Request


class EngineOnDemand:
    """The engine that `make` makes of the options, for all passes of a run. Whoever made it closes it."""

    def __init__(self, options: EngineOptions, make: Callable[[EngineOptions], Engine] = make_engine) -> None:
        self.model = find_model(options)
        self._options, self._make = options, make
        self._engine: Engine | None = None

    def generate(self, requests: Iterable[Request]) -> Iterator[Reply]:
        source = iter(requests)
        for first in source:
            self._engine = self._engine or self._make(self._options)
            yield from self._engine.generate(chain([first], source))

    def close(self) -> None:
        """Lets go of the model. May be called twice."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None
