"""Which rows make up each step: streams drawn by weight, each shuffled anew every epoch, from a seed and a position.

What a step holds depends on the seed and the number of the step alone, so a run that is resumed, or cut into another
number of processes, sees the same batches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builders.text.hashes import id_number

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Stream:
    """Rows of one kind: `name` is release/source/method/language; `rows` are their numbers (R,); weight is above 0."""

    name: str
    rows: "NDArray[Any]"
    weight: float


@dataclass(frozen=True)
class Draw:
    """One row of a step. `epoch` counts how often its stream began anew, with other positives and negatives."""

    stream: int
    row: int
    epoch: int


class Mixture:
    """`for step in mixture: ...` without end, each a list of `size` draws.

    homogeneous: all rows of a step come from one stream, so that neither source nor language is an easy cue.
    """

    def __init__(self, streams: Sequence[Stream], size: int, seed: int, *, homogeneous: bool) -> None:
        if not streams:
            raise ValueError("a mixture of no stream")
        if empty := [s.name for s in streams if not len(s.rows) or s.weight <= 0]:
            raise ValueError(f"the stream {empty[0]} has no rows, or no weight")
        self.streams, self.size, self.seed, self.homogeneous = list(streams), size, seed, homogeneous
        self.step = 0
        self._taken = [0] * len(streams)  # rows taken of each stream, over all epochs
        self._orders: dict[int, tuple[int, NDArray[Any]]] = {}

    def __iter__(self) -> Iterator[list[Draw]]:
        while True:
            yield self.next()

    def next(self) -> list[Draw]:
        """The next step."""
        import numpy as np

        weights = np.array([stream.weight for stream in self.streams])
        draw = np.random.default_rng(id_number(self.seed, str(self.step), "streams"))
        chosen = draw.choice(len(weights), 1 if self.homogeneous else self.size, p=weights / weights.sum())
        if self.homogeneous:
            chosen = chosen.repeat(self.size)
        self.step += 1
        return [self._take(int(stream)) for stream in chosen]

    def _take(self, number: int) -> Draw:
        rows = self.streams[number].rows
        epoch, place = divmod(self._taken[number], len(rows))
        self._taken[number] += 1
        return Draw(number, int(rows[self._order(number, epoch)[place]]), epoch)

    def _order(self, number: int, epoch: int) -> "NDArray[Any]":
        """The order of a stream's rows in that epoch; the last one asked for is kept."""
        import numpy as np

        kept = self._orders.get(number)
        if kept is None or kept[0] != epoch:
            stream = self.streams[number]
            draw = np.random.default_rng(id_number(self.seed, f"{stream.name}\0{epoch}", "order"))
            kept = self._orders[number] = (epoch, draw.permutation(len(stream.rows)))
        return kept[1]

    def state(self) -> dict[str, Any]:
        """What `load` needs, as JSON."""
        return {
            "step": self.step,
            "seed": self.seed,
            "size": self.size,
            "homogeneous": self.homogeneous,
            "streams": [
                {"name": s.name, "rows": len(s.rows), "weight": s.weight, "taken": taken}
                for s, taken in zip(self.streams, self._taken, strict=True)
            ],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there. ValueError where the state is of another mixture, naming what differs."""
        now = self.state()
        for name in ("seed", "size", "homogeneous"):
            if state[name] != now[name]:
                raise ValueError(f"{name} was {state[name]} and is {now[name]}")
        before = [{k: v for k, v in s.items() if k != "taken"} for s in state["streams"]]
        if before != [{k: v for k, v in s.items() if k != "taken"} for s in now["streams"]]:
            raise ValueError("the streams are others than they were")
        self.step = int(state["step"])
        self._taken = [int(s["taken"]) for s in state["streams"]]
