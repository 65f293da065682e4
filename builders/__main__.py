"""Run a recipe: the stages in order, each resuming where it was, each saying what is already built."""

import os
import sys
import tomllib
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import tyro

from builders import corpus, cropped_sentences, synthetic_queries
from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.names import nearest
from builders.cli.progress import say
from builders.cli.values import read_value

if TYPE_CHECKING:
    from builders.store.versions import Version


@dataclass(frozen=True)
class Recipe:
    """Run the stages of a recipe in order.

    Example: python -m builders demo
    """

    recipe: Annotated[str, tyro.conf.Positional]
    """A TOML file with one table a stage, or the name of a recipe that is shipped (demo)."""
    data: Path = Path("data")
    """The folder of all tables."""
    limit: int | None = None
    """Rehearse: at most so many documents read, and queries written."""
    processes: int = 1
    """Worker processes of each stage; the result does not depend on it."""
    show: int = 0
    """Print so many example queries with their chunks, and the counts, at the end."""


def main(config: Recipe) -> None:
    """corpus -> Sent -> QGen. A stage that the recipe does not name is not run."""
    stages = read_recipe(config)
    built: list[Version] = []
    if "corpus" in stages:
        built.append(_made(corpus.main(stages["corpus"])))
        chunks = built[0]
        stages = {k: replace(v, chunks=str(chunks)) if hasattr(v, "chunks") else v for k, v in stages.items()}
    if "cropped_sentences" in stages:
        built.append(_made(cropped_sentences.main(stages["cropped_sentences"])))
    if "synthetic_queries" in stages:
        built.append(_made(synthetic_queries.main(stages["synthetic_queries"])))
    if config.show:
        from builders.cli.summary import print_summary

        print_summary(built, config.show)
    for version in built:
        print(version.folder)


STAGES = {
    "corpus": corpus.Corpus,
    "cropped_sentences": cropped_sentences.CroppedSentences,
    "synthetic_queries": synthetic_queries.SyntheticQueries,
}


def read_recipe(config: Recipe) -> dict[str, Any]:
    """{stage: its config}; UserError that names the nearest right name where a stage or a key is misspelt."""
    path = _recipe_path(config.recipe)
    try:
        given = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise UserError(f"The recipe {path} is not valid TOML: {fault}.", exit_code=2) from None
    stages = {}
    for name, keys in given.items():
        if name not in STAGES:
            raise UserError(f"{path}: there is no stage {name}{nearest(name, STAGES)}.", exit_code=2)
        if not isinstance(keys, dict):
            raise UserError(f"{path}: {name} = {keys!r} is not a table: begin it with [{name}].", exit_code=2)
        if "corpus" in given and "chunks" in keys:
            raise UserError(f"{path}: [{name}] names chunks, and [corpus] makes them: leave one out.", exit_code=2)
        for key in ("data", "processes"):
            if key in keys:
                raise UserError(f"{path}: [{name}] {key} is the same for all stages: give --{key}.", exit_code=2)
        if "dry_run" in keys:
            sentence = f"{path}: [{name}] dry_run does not belong in a recipe: run the stage by itself with --dry-run."
            raise UserError(sentence, exit_code=2)
        own = keys | {"data": config.data, "processes": config.processes}
        stage = _filled(STAGES[name], own, f"{path}: [{name}]")
        stages[name] = stage if config.limit is None else replace(stage, limit=min(config.limit, _limit(stage)))
    if not stages:
        raise UserError(f"{path} names no stage: give it one of the tables {', '.join(STAGES)}.", exit_code=2)
    return stages


def _limit(stage: Any) -> float:
    return float("inf") if stage.limit is None else stage.limit


def _recipe_path(name: str) -> Path:
    shipped = Path(__file__).parent / "recipes"
    for path in (Path(name), shipped / f"{name}.toml"):
        if os.path.isfile(path):
            return path
    names = ", ".join(sorted(p.stem for p in shipped.glob("*.toml")))
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


def _made(version: "Version | None") -> "Version":
    assert version is not None, "only a dry run makes no version, and a recipe has none"
    say("")
    return version


if __name__ == "__main__":
    sys.exit(run(Recipe, main))
