"""Steps made in a thread while the one before is computed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Event, Thread
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from drama_train.training.mixture import Draw, Mixture

AHEAD = 2
Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Step(Generic[Batch]):
    """draws: of all processes; batch: this process's share; state: the mixture's after this step, as JSON."""

    number: int
    draws: list[Draw]
    batch: Batch
    state: dict[str, Any]


class Prefetched(Generic[Batch]):
    """`with Prefetched(...) as steps: for step in steps: ...`, without end. What the thread raises is raised here."""

    def __init__(self, mixture: Mixture, make: Callable[[list[Draw]], Batch]) -> None:
        self._mixture, self._make = mixture, make
        self._queue: Queue[Step[Batch] | BaseException] = Queue(AHEAD)
        self._is_over = Event()
        self._thread = Thread(target=self._run, name="batches", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        while self._thread.is_alive():  # it may wait for room
            while not self._queue.empty():
                self._queue.get()
            self._thread.join(0.1)

    def __iter__(self) -> Iterator[Step[Batch]]:
        while True:
            made = self._queue.get()
            if isinstance(made, BaseException):
                raise made
            yield made

    def _run(self) -> None:
        try:
            while not self._is_over.is_set():
                draws = self._mixture.next()
                self._queue.put(Step(self._mixture.step, draws, self._make(draws), self._mixture.state()))
        except BaseException as fault:  # noqa: BLE001 - it is raised where the steps are taken
            self._queue.put(fault)
