"""What pruning needs on the way, beside the folder that it makes, and which flags it is of."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.releases.manifests import write_json

_FLAGS = "flags.json"
TOKENS, CUT_TOKENS, LEARNED, LEARNED_HOP, HOP = "tokens", "cut", "l0", "l0-hop", "hop"


def work_folder(out: Path) -> Path:
    """.NAME.work beside it, on the same disk."""
    out = out.resolve()
    return out.with_name(f".{out.name}.work")


def settle_flags(work: Path, identity: Mapping[str, Any]) -> None:
    """A run that was stopped goes on by its own flags. UserError where others would go on from what these learned.

    Tokens alone are made again. identity: what the weights depend on.
    """
    path, now = work / _FLAGS, json.loads(json.dumps(identity))
    before = _read(path)
    if before == now:
        return
    if any((work / name).exists() for name in (LEARNED, LEARNED_HOP, HOP)):
        different = next((name for name in now if before.get(name) != now[name]), "flags")
        raise UserError(
            f"{work} is of a run with other flags, which was stopped: its {different} is {before.get(different)}, and "
            f"would be {now.get(different)}; give the same flags to go on, name another --out, or delete that folder.",
            exit_code=2,
        )
    for name in (TOKENS, CUT_TOKENS):
        shutil.rmtree(work / name, ignore_errors=True)
    write_json(path, now)


def _read(path: Path) -> dict[str, Any]:
    """Empty where there is none, or a damaged one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
