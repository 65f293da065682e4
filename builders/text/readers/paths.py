"""Which files a path stands for, and of what kind they are."""

import difflib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from builders.cli.errors import UserError
from builders.text.readers.opening import COMPRESSIONS, ending

TABLE_KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
PAGE_ENDINGS = (".txt", ".md", ".html", ".htm", ".rst")
BEIR_NAMES = ("corpus.jsonl", "corpus.jsonl.gz", "corpus.jsonl.zst")
# What accompanies a folder of tables without being a document of it.
COMPANIONS = ("readme", "license", "licence", "citation", "changelog")


def find_files(spec: str) -> tuple[str, Path, list[Path]]:
    """The kind of what is at the path, or pattern, `spec` (beir, jsonl, csv, parquet, pages), its root and its files.

    A folder is read with its folders, sorted by relative path; hidden files and links to folders are left out.
    Raises UserError where nothing is there, or where files of several kinds are.
    """
    path = Path(spec).expanduser()
    if path.is_file():
        return _kind_of_file(path), path.parent, [path]
    if path.is_dir():
        beir = next((path / name for name in BEIR_NAMES if (path / name).is_file()), None)
        if beir:
            return "beir", path, [beir]
        files = sorted(_walk(path), key=lambda file: file.relative_to(path).as_posix())
        return _kind_of_folder(path, files)
    if any(mark in spec for mark in "*?["):
        root = Path(*_before_pattern(path.parts))
        pattern = str(path.relative_to(root))
        files = sorted((file for file in root.glob(pattern) if file.is_file()), key=lambda file: file.as_posix())
        if files:
            return _kind_of_folder(root, files)
        raise UserError(f"No file matches {spec}: check the pattern, and quote it so that the shell leaves it alone.")
    raise UserError(f"There is no file or folder {spec}{_suggestion(path)}.")


def _kind_of_file(path: Path) -> str:
    end = ending(path)
    if end in TABLE_KINDS and not (end == ".parquet" and path.suffix.lower() in COMPRESSIONS):
        kind = TABLE_KINDS[end]
    elif path.suffix.lower() in PAGE_ENDINGS:
        kind = "pages"
    else:
        raise UserError(f"{path} is not of a kind that can be read: give a file ending in {_readable()}.")
    if not path.stat().st_size:
        raise UserError(f"{path} is empty: fill it, or point at another file.")
    return kind


def _kind_of_folder(root: Path, files: list[Path]) -> tuple[str, Path, list[Path]]:
    by_kind: dict[str, list[Path]] = {}
    for file in files:
        kind = TABLE_KINDS.get(ending(file)) or ("pages" if file.suffix.lower() in PAGE_ENDINGS else None)
        if kind:
            by_kind.setdefault(kind, []).append(file)
    if len(by_kind) > 1 and "pages" in by_kind:
        by_kind["pages"] = [page for page in by_kind["pages"] if page.stem.lower() not in COMPANIONS]
        by_kind = {kind: found for kind, found in by_kind.items() if found}
    if not by_kind:
        counts = Counter(file.suffix.lower() or "no ending" for file in files)
        there = ", ".join(f"{count} of {end}" for end, count in counts.most_common(10)) or "no file"
        raise UserError(f"{root} holds nothing that can be read ({there}): give files ending in {_readable()}.")
    if len(by_kind) > 1:
        counts = Counter(file.suffix.lower() for found in by_kind.values() for file in found)
        there = ", ".join(f"{count} of {end}" for end, count in counts.most_common())
        example = os.path.join(root, "**", f"*{counts.most_common(1)[0][0]}")
        raise UserError(f"{root} holds files of several kinds ({there}): point at one kind, for example {example!r}.")
    kind, found = next(iter(by_kind.items()))
    if not any(file.stat().st_size for file in found):
        raise UserError(f"{root} holds only empty files ({len(found)}): fill them, or point at another folder.")
    return kind, root, found


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        # Broken links, pipes and devices are not files.
        yield from (
            Path(folder, name) for name in files if name[0] != "." and os.path.isfile(os.path.join(folder, name))
        )


def _before_pattern(parts: tuple[str, ...]) -> list[str]:
    fixed: list[str] = []
    for part in parts:
        if any(mark in part for mark in "*?["):
            break
        fixed.append(part)
    return fixed


def _suggestion(path: Path) -> str:
    parent = path.parent
    if not parent.is_dir():
        return f": there is no folder {parent} either, so check the path"
    names = sorted(entry.name for entry in parent.iterdir())
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if near:
        return f": did you mean {' or '.join(str(parent / name) for name in near)}?"
    return f": {parent} holds {', '.join(names[:10]) or 'nothing'}{', ...' if len(names) > 10 else ''}"


def _readable() -> str:
    return ", ".join([*TABLE_KINDS, *PAGE_ENDINGS]) + f" (tables also with {' or '.join(COMPRESSIONS)}, Parquet not)"
