"""A recipe's TOML file read into the configs of its stages; a mistake is named with the nearest right name."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from builders.cli.errors import UserError
from builders.cli.names import nearest
from builders.cli.values import read_value

SHIPPED = Path(__file__).parent.parent / "recipes"
# What a stage is given by the stages before it: {key: the stages that make it}. A recipe with one of those may not
# name it.
MADE: dict[str, tuple[str, ...]] = {
    "chunks": ("corpus",),
    "queries": ("cropped_sentences", "synthetic_queries", "supervised"),
    "candidates": ("candidates",),
    "ranked": ("candidates", "rerank_preferences", "supervised", "synthetic_triplets"),
    "versions": ("triplets",),
}


def read_stages(recipe: str, known: Mapping[str, Any], shared: Mapping[str, Any], limit: int | None) -> dict[str, Any]:
    """{stage: its config}. known: {stage: its config's type}; shared: what all stages have that have such a key.

    UserError that names the nearest right name where a stage or a key is misspelt.
    """
    path = _path(recipe)
    try:
        given = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise UserError(f"The recipe {path} is not valid TOML: {fault}.", exit_code=2) from None
    stages = {}
    for name, keys in given.items():
        _check(path, name, keys, given, known, shared)
        types = get_type_hints(known[name])
        own = keys | {key: value for key, value in shared.items() if key in types}
        stage = _filled(known[name], own, f"{path}: [{name}]")
        has_limit = limit is not None and "limit" in types
        stages[name] = replace(stage, limit=min(limit or 0, _limit(stage))) if has_limit else stage
    if not stages:
        raise UserError(f"{path} names no stage: give it one of the tables {', '.join(known)}.", exit_code=2)
    return stages


def _check(
    path: Path, name: str, keys: Any, given: Mapping[str, Any], known: Mapping[str, Any], shared: Mapping[str, Any]
) -> None:
    if name not in known:
        raise UserError(f"{path}: there is no stage {name}{nearest(name, known)}.", exit_code=2)
    if not isinstance(keys, dict):
        raise UserError(f"{path}: {name} = {keys!r} is not a table: begin it with [{name}].", exit_code=2)
    for key, makers in MADE.items():
        if key in keys and (maker := next((m for m in makers if m in given and m != name), None)):
            raise UserError(f"{path}: [{name}] names {key}, and [{maker}] makes them: leave one out.", exit_code=2)
    for key in shared:
        if key in keys:
            raise UserError(f"{path}: [{name}] {key} is the same for all stages: give --{key}.", exit_code=2)
    if "dry_run" in keys:
        sentence = f"{path}: [{name}] dry_run does not belong in a recipe: run the stage by itself with --dry-run."
        raise UserError(sentence, exit_code=2)


def _limit(stage: Any) -> float:
    return float("inf") if stage.limit is None else stage.limit


def _path(name: str) -> Path:
    for path in (Path(name), SHIPPED / f"{name}.toml"):
        if os.path.isfile(path):
            return path
    names = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.toml")))
    raise UserError(f"There is no recipe {name}: give a TOML file, or one of {names}.", exit_code=2)


def _filled(config_type: Any, keys: dict[str, Any], where: str) -> Any:
    """The stage's config; a nested config takes its keys from the same table."""
    types = get_type_hints(config_type)
    nested = {f.name: types[f.name] for f in fields(config_type) if is_dataclass(types[f.name])}
    known = {f.name: config_type for f in fields(config_type) if f.name not in nested}
    known |= {f.name: t for t in nested.values() for f in fields(t)}
    if wrong := [k for k in keys if k not in known]:
        raise UserError(f"{where} has no key {wrong[0]}{nearest(wrong[0], known)}.", exit_code=2)
    own = {k: read_value(v, types[k], f"{where} {k}") for k, v in keys.items() if known[k] is config_type}
    if missing := [f.name for f in fields(config_type) if _is_required(f) and f.name not in own]:
        raise UserError(f"{where} lacks {missing[0]}.", exit_code=2)
    inner = {
        name: t(**{k: read_value(v, get_type_hints(t)[k], f"{where} {k}") for k, v in keys.items() if known[k] is t})
        for name, t in nested.items()
    }
    return config_type(**own, **inner)


def _is_required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
