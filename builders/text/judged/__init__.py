"""What a user points at (a BEIR folder, rows of text columns, MS MARCO's triples) as a judged data set."""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from builders.text.judged.sets import JudgedSet

__all__ = ["FORMATS", "open_judged"]

FORMATS = ("beir", "columns", "msmarco")


def open_judged(
    spec: str,
    *,
    name: str | None = None,
    form: str | None = None,
    qrels: str | None = None,
    columns: Mapping[str, str] | None = None,
    config: str | None = None,
    split: str = "train",
) -> JudgedSet:
    """Open the judged data set that `spec` points at (hf://owner/name@revision, or a path), without reading it yet.

    `form` is one of FORMATS, told from what is there where it is None: a folder with a corpus.jsonl is beir; a folder
    with a file of triples, or a TSV file of three fields without a header, is msmarco; anything else has columns with
    a query and passages. Raises UserError where nothing of these is there, or a setting is not of that form.
    """
    on_hub = spec.startswith("hf://")
    if not on_hub and (config is not None or split != "train"):
        raise UserError(f"{spec} has no config or split: give those for hf:// only.", exit_code=2)
    path = Path(spec).expanduser()
    form = form or ("columns" if on_hub else _form(path))
    if form != "columns" and on_hub:
        raise UserError(
            f"--format {form} is one of files: fetch them (hf download --repo-type dataset), then name their folder.",
            exit_code=2,
        )
    if qrels is not None and form != "beir":
        raise UserError(f"--qrels {qrels} chooses a file of a BEIR folder, and {spec} is read as {form}.", exit_code=2)
    given = dict(columns or {})
    if form == "beir":
        from builders.text.judged.beir import open_beir
        from builders.text.readers.columns import Columns

        return open_beir(path, name or _last_part(path), _named(Columns, given, form), qrels or "train")
    if form == "msmarco":
        from builders.text.judged.msmarco import open_msmarco

        if given:
            raise UserError("--columns name columns, and the lines of MS MARCO have none.", exit_code=2)
        return open_msmarco(path, name or _last_part(path))
    from builders.text.judged.columns import open_columns
    from builders.text.judged.roles import Wanted
    from builders.text.readers.records import open_records

    wanted = _named(Wanted, given, form)
    records = open_records(spec, config, split)
    return open_columns(records, name or records.name, wanted)


def _form(path: Path) -> str:
    from builders.text.judged.msmarco import find_triples, has_triples
    from builders.text.readers.opening import ending
    from builders.text.readers.paths import BEIR_NAMES

    if path.is_dir():
        is_beir = any((path / name).is_file() for name in BEIR_NAMES)
        return "beir" if is_beir else "msmarco" if find_triples(path) else "columns"
    return "msmarco" if path.is_file() and ending(path) == ".tsv" and has_triples(path) else "columns"


def _last_part(path: Path) -> str:
    return path.name.split(".")[0] if path.is_file() else os.path.basename(os.path.abspath(path))


def _named(columns: type[Any], given: Mapping[str, str], form: str) -> Any:
    from builders.cli.names import nearest

    known = [field.name for field in fields(columns)]
    for name in given:
        if name not in known:
            raise UserError(
                f"--columns: {name} is not one of {', '.join(known)}, which {form} has{nearest(name, known)}.",
                exit_code=2,
            )
    return columns(**given)
