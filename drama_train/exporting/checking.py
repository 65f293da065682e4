"""An exported folder compared with its golden vectors in every program that is installed here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from builders.cards.markdown import one_line
from builders.cli.errors import UserError
from drama_train.exporting.contents import dangers_in, faults_in
from drama_train.exporting.golden import Golden, read_golden
from drama_train.exporting.runtimes import RUNTIMES, NotRun

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Finding:
    """What one look at the folder showed. `difference`: the largest of any number of a vector, where there is one."""

    what: str
    status: Literal["ok", "FAILED", "not run"]
    words: str = ""
    difference: float | None = None

    def __str__(self) -> str:
        told = f"{self.difference:.1e}" if self.difference is not None else ""
        return f"{self.what:<22} {told:>8}  {self.status}{': ' + self.words if self.words else ''}"


def check_folder(folder: Path, tolerance: float, runtimes: tuple[str, ...] = tuple(RUNTIMES)) -> Iterator[Finding]:
    """One finding for the folder's files, then one for each program. UserError where it is no exported model."""
    dangers, faults, golden = dangers_in(folder), faults_in(folder), read_golden(folder)
    yield Finding("files", "FAILED" if dangers or faults else "ok", one_line("; ".join([*dangers, *faults])))
    for name in runtimes:
        if dangers:
            yield Finding(name, "not run", "the folder may hold code")
            continue
        try:
            found = RUNTIMES[name](folder, golden)
        except NotRun as reason:
            yield Finding(name, "not run", str(reason))
            continue
        except UserError as fault:
            yield Finding(name, "FAILED", str(fault))
            continue
        # What a program makes of a folder that is wrong is not ours to foresee: whatever it raises is the finding.
        except Exception as fault:  # noqa: BLE001
            yield Finding(name, "FAILED", one_line(f"{type(fault).__name__}: {fault}")[:300])
            continue
        yield compared(name, found, golden, tolerance)


def compared(name: str, found: "Vectors", golden: Golden, tolerance: float) -> Finding:
    """How far the vectors are from the golden ones, and where they are those of the other attention instead."""
    import numpy as np

    if found.shape != golden.vectors.shape:
        return Finding(name, "FAILED", f"vectors of shape {found.shape}, and not {golden.vectors.shape}")
    apart = np.abs(found - golden.vectors)
    difference = float(apart.max())
    if difference <= tolerance:  # not so where it is no number
        return Finding(name, "ok", "", difference)
    if np.abs(found - golden.turned).max() <= tolerance:
        words = "it ignores is_causal: its attention is not that of training"
    else:
        worst = int(apart.max(axis=1).argmax())
        words = f"most at {golden.kinds[worst]} {golden.texts[worst][:30]!r}; more than {tolerance:.0e} apart"
    return Finding(name, "FAILED", words, difference)


def tell_findings(folder: Path, tolerance: float, tell: Callable[[str], None]) -> None:
    """One line each, as they come. UserError where any failed."""
    failed = []
    for finding in check_folder(folder, tolerance):
        tell(str(finding))
        if finding.status == "FAILED":
            failed.append(finding.what)
    if failed:
        raise UserError(
            f"{folder} is not what was trained, by {', '.join(failed)}: export it again, or update the program."
        )
