"""What a run tells: a line of fixed columns a step, log.jsonl, and TensorBoard's events."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.store.parquet import write_bytes

LOG = "log.jsonl"
_SMOOTHED = 0.9  # of the seconds a step takes, for the time to go


@dataclass(frozen=True)
class StepFacts:
    """One step. gradient_norm: before clipping; tokens: real ones of all processes; memory_bytes: the peak."""

    step: int
    loss: float
    lr: float
    gradient_norm: float
    tokens: int
    seconds: float
    memory_bytes: int
    streams: Mapping[str, int]
    """Rows of each stream in the step."""


class RunLog:
    """`with RunLog(...) as log: log.step(facts)`. What an earlier run told of steps after `step` is dropped."""

    def __init__(self, folder: Path, steps: int, step: int, *, is_first: bool) -> None:
        self._steps, self._is_first = steps, is_first
        self._seconds: float | None = None
        self._events: Any = None
        self._file: Any = None
        if is_first:  # of the processes
            drop_after(folder / LOG, step)
            self._file = (folder / LOG).open("a", encoding="utf-8")
            self._events = _events(folder / "tensorboard", step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()
        if self._events:
            self._events.close()

    def step(self, facts: StepFacts) -> None:
        if not self._is_first:
            return
        before = facts.seconds if self._seconds is None else self._seconds
        self._seconds = _SMOOTHED * before + (1 - _SMOOTHED) * facts.seconds
        rate = facts.tokens / facts.seconds
        to_go = clock(self._seconds * (self._steps - facts.step))
        memory = facts.memory_bytes / 1e9
        say(
            f"step {facts.step:>6}/{self._steps}  loss {facts.loss:>8.4f}  lr {facts.lr:.2e}  "
            f"grad {facts.gradient_norm:>7.3f}  tok/s {rate:>9,.0f}  mem {memory:>5.1f} GB  eta {to_go}"
        )
        self._write(asdict(facts) | {"tokens_per_second": round(rate, 1)})
        self._scalars(
            facts.step, loss=facts.loss, lr=facts.lr, gradient_norm=facts.gradient_norm, tokens_per_second=rate
        )

    def heldout(self, step: int, scores: Mapping[str, float], *, is_best: bool) -> None:
        if not self._is_first:
            return
        told = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
        say(f"step {step:>6}/{self._steps}  held out: {told}{'  (best)' if is_best else ''}")
        self._write({"step": step, "heldout": dict(scores), "is_best": is_best})
        self._scalars(step, **{f"heldout/{name}": value for name, value in scores.items()})

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def _scalars(self, step: int, **values: float) -> None:
        if self._events:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)
            self._events.flush()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Every whole line of log.jsonl; a line that a kill cut off is left out. UserError where another is damaged."""
    path = folder / LOG
    if not path.is_file():
        return []
    whole = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return [_read(line, f"Line {number} of {path}") for number, line in enumerate(whole, start=1)]


def _read(line: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
        if not isinstance(found, dict) or not isinstance(found.get("step"), int):
            raise ValueError("it tells no step")
    except ValueError as fault:
        raise UserError(f"{where} is damaged ({fault}): take it out, or name another --out.") from None
    return found


def drop_after(path: Path, step: int) -> None:
    """Of a run that was stopped before its first checkpoint nothing is kept: step 0 is evaluated again."""
    kept = [line for line in read_log(path.parent) if 0 < step >= line["step"]]
    write_bytes(path, "".join(json.dumps(line) + "\n" for line in kept).encode())


def _events(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        say("TensorBoard is not installed (pip install 'drama[train]'): the run is told in log.jsonl alone.")
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else 0)


def clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"
