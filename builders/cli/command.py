"""Run a command: parse its dataclass, call it, print its result, and turn a user's mistake into one sentence."""

import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from builders.cli.errors import UserError
from builders.cli.terminal import safe

if TYPE_CHECKING:
    from builders.store.versions import Version

Config = TypeVar("Config")

_DISK = {
    errno.ENOSPC: "there is no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EACCES: "permission is denied",
    errno.EPERM: "the operation is not permitted",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EEXIST: "a file is where a folder should be",
    errno.ENAMETOOLONG: "the name is too long",
}


def run(
    config_type: type[Config],
    main: "Callable[[Config], Version | Path | None]",
    arguments: Sequence[str] | None = None,
    *,
    prog: str | None = None,
) -> int:
    """Parse, run, print the folder that was made (stdout, one line). Returns the exit status: 0, 1 or 2.

    prog: how help names the command, where it is not `python -m` and the module of `main`.
    """
    import tyro

    module = main.__module__
    spec = sys.modules[module].__spec__
    name = (spec.name if spec else module).removesuffix(".__main__")
    called = prog or f"python -m {name}"
    flat = (tyro.conf.OmitArgPrefixes,)  # flags of a nested config stand beside the others: --engine, not --llm.engine

    def call() -> "Version | Path | None":
        _refuse_repeats(sys.argv[1:] if arguments is None else arguments)
        return main(tyro.cli(config_type, prog=called, args=arguments, config=flat))

    return guarded(call)


def _refuse_repeats(arguments: Sequence[str]) -> None:
    """The parser would take the last of them, and say nothing of the others."""
    flags = [given.partition("=")[0].replace("_", "-") for given in arguments if given.startswith("--")]
    if repeated := [flag for flag in flags if flags.count(flag) > 1]:
        sentence = f"{repeated[0]} is given twice: give it once, with all of its values after it."
        raise UserError(sentence, exit_code=2)


def guarded(call: "Callable[[], Version | Path | None]") -> int:
    """Call, print the result, and word the faults that are not this program's."""
    from builders.llm.requests import EngineStopped

    try:
        made = call()
        if made is not None:
            print(made if isinstance(made, Path) else made.folder)
        sys.stdout.flush()
    except UserError as fault:
        return _fail(str(fault), fault.exit_code)
    except EngineStopped as fault:
        return _fail(str(fault), 1)
    except KeyboardInterrupt:
        return _fail("Stopped. What is finished is kept: the same command goes on from there.", 130)
    except BrokenPipeError:  # `| head` has read enough; what is still buffered must not be flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except RuntimeError as fault:
        if type(fault).__name__ != "OutOfMemoryError":  # torch's, which is not imported for this
            raise
        return _fail(_full(str(fault)), 1)
    except OSError as fault:
        if fault.errno not in _DISK:
            raise
        where = fault.filename or "into the folder of --data"
        verb = "write" if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "open"
        return _fail(
            f"Cannot {verb} {where}: {_DISK[fault.errno]}. What is finished is kept: mend that, then run this again.",
            1,
        )
    return 0


def _full(told: str) -> str:
    """told: torch's words, of which the GPU's number, its memory and what is free of it are kept."""
    found = re.search(r"GPU \d+ has .*? is free", told)
    return (
        f"The GPU's memory is full{f' ({found[0]})' if found else ''}: free it of other work, or have less done at "
        "once (a lower --budget, where the command has one, leaves the result as it is). What is finished is kept."
    )


def _fail(sentence: str, status: int) -> int:
    print(f"Error: {safe(sentence)}", file=sys.stderr)
    return status
