"""Progress on stderr: a live bar with rate and ETA on a terminal, a plain line now and then when piped."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from builders.cli.terminal import safe

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

PLAIN_EVERY_S = 10.0


def say(line: str) -> None:
    """One line of the story, on stderr. Names and texts in it may be anyone's."""
    print(safe(line), file=sys.stderr, flush=True)


class Progress:
    """`with Progress("chunks", total=12) as p: p.step()`. `total` None where it is not known beforehand.

    `already` units were done by an earlier run: they count as done and not as speed.
    """

    def __init__(self, what: str, total: int | None, *, unit: str = "shards", already: int = 0) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = self.already = already
        self.note = ""
        self.start = self.last_line = time.monotonic()
        self._said = -1
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self.what, total=self.total, completed=self.done, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        if kind or self._said != self.done:
            say(f"{self.what}: {self._state()}" + (", stopped" if kind else ""))

    def step(self, by: int = 1, note: str = "") -> None:
        self.done += by
        self.note = note
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self.done, note=f"{self._rate():,.1f} {self.unit}/s {note}")
        elif not self._bar and time.monotonic() - self.last_line >= PLAIN_EVERY_S:
            self.last_line, self._said = time.monotonic(), self.done
            say(f"{self.what}: {self._state()}")

    def skip(self, by: int) -> None:
        """Units that an earlier run did."""
        self.already += by
        self.done += by

    def _rate(self) -> float:
        return (self.done - self.already) / max(time.monotonic() - self.start, 1e-9)

    def _state(self) -> str:
        rate = self._rate()
        of = f" of {self.total:,}" if self.total is not None else ""
        parts = [f"{self.done:,}{of} {self.unit}", f"{time.monotonic() - self.start:.1f} s"]
        if self.done > self.already:
            parts.append(f"{rate:,.1f} {self.unit}/s" if rate >= 1 else f"{1 / rate:,.1f} s each")
        if self.total is not None and rate and self.done < self.total:
            parts.append(f"{(self.total - self.done) / rate:,.0f} s to go")
        return ", ".join([*parts, *([self.note] if self.note else [])])
