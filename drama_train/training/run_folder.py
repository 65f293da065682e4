"""A run's folder: config.json says what it is, so that it is resumed by the same command alone; run.json ends it."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.releases.manifests import write_json

CONFIG, RUN = "config.json", "run.json"


def check_folder(folder: Path, besides: Collection[str] = (), told: str = "model") -> None:
    """UserError where the folder holds something and is no run. besides: what may be in it before it is one.

    told: what config.json of such a run tells, and that of a model, or of another kind of run, does not.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: name another --out.", exit_code=2)
    if (facts := read_facts(folder, CONFIG)) is not None and told not in facts:
        raise UserError(f"{folder} holds something else than such a run: name another --out.", exit_code=2)
    if facts is not None or not folder.is_dir():
        return
    if any(not one.name.startswith(".") and one.name not in besides for one in folder.iterdir()):
        raise UserError(f"{folder} is not empty and no run: name another --out.", exit_code=2)


def settle_config(folder: Path, facts: Mapping[str, Any], besides: Collection[str] = ()) -> None:
    """Write what the run is, or compare it with what the folder says. UserError that names the first difference."""
    path = folder / CONFIG
    if not path.is_file():
        check_folder(folder, besides)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, facts)
        return
    before = read_facts(folder, CONFIG)
    assert before is not None
    now = json.loads(json.dumps(facts))
    different = next((name for name in [*now, *before] if now.get(name) != before.get(name)), None)
    if different is not None:
        was, is_now = _first_difference(before.get(different), now.get(different))
        raise UserError(
            f"{folder} is another run: its {different} is {was}, and would be {is_now}; name another --out, or give "
            "the same flags to go on.",
            exit_code=2,
        )


def read_facts(folder: Path, name: str) -> dict[str, Any] | None:
    """config.json or run.json; None where there is none. UserError where it is damaged."""
    path = folder / name
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
    except ValueError as fault:
        raise UserError(f"{path} is damaged ({fault}): name another --out.") from None
    return found


def _first_difference(before: Any, now: Any) -> tuple[str, str]:
    """Of two records or lists, the first part that differs."""
    if isinstance(before, dict) and isinstance(now, dict):
        name = next(name for name in [*now, *before] if now.get(name) != before.get(name))
        was, is_now = _first_difference(before.get(name), now.get(name))
        return f"{name} {was}", f"{name} {is_now}"
    if isinstance(before, list) and isinstance(now, list):
        pairs = [(a, b) for a, b in zip(before, now, strict=False) if a != b]
        return _first_difference(*pairs[0]) if pairs else (f"{len(before)} long", f"{len(now)} long")
    return str(before), str(now)
