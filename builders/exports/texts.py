"""Texts by id: copied once into a flat file that is mapped into memory, and looked up by number."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from builders.cli.errors import UserError
from builders.store.schemas import key_column
from builders.store.versions import Version, read_table, read_version

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True)
class Texts:
    """n rows by number, in the order of the versions they come from. In memory are the ids and 8 bytes a text."""

    ids: "pl.Series"  # (n,)
    columns: "dict[str, pa.LargeStringArray]"  # (n,) each, in a mapped file

    def numbers(self, ids: "pl.Series") -> "pl.Series":
        """The number of each id; null where there is no such row."""
        import polars as pl

        order, known = self._sorted
        if not len(known):
            return pl.Series("number", [None] * len(ids), pl.UInt32)
        at = known.search_sorted(ids).clip(0, len(known) - 1)
        found = pl.DataFrame({"number": order.gather(at), "is_there": known.gather(at) == ids})
        return found.select(pl.when("is_there").then("number"))["number"]

    @cached_property
    def _sorted(self) -> "tuple[pl.Series, pl.Series]":
        """(numbers, ids) in the order of the ids: a join would hash all of them again for each batch."""
        order = self.ids.arg_sort()
        return order, self.ids.gather(order)

    def take(self, numbers: "pl.Series", column: str = "text") -> "pa.LargeStringArray":
        """The text of each number; no number may be null."""
        import polars as pl

        return self.columns[column].take(numbers.cast(pl.Int64).to_arrow())


def versions_behind(made: Sequence[Version], table: str) -> list[Version]:
    """The versions of `table` that `made` come from, by whatever way, the nearest first.

    UserError where one of them is no longer there.
    """
    found: dict[Path, Version] = {}
    ahead, seen = list(made), set()
    while ahead:
        version = ahead.pop(0)
        if version.table == table:
            found[version.folder] = version
        for given in version.manifest["identity"]["inputs"]:
            folder = version.folder.parent.parent / given["table"] / given["version"]
            if folder in seen:
                continue
            seen.add(folder)
            if (behind := read_version(folder)) is not None:
                ahead.append(behind)
            elif given["table"] == table:
                raise UserError(
                    f"{version} was made from {table}/{given['version']}, which is not in {folder.parent.parent}: put "
                    "it back, or build both again."
                )
    if not found:
        names = ", ".join(map(str, made))
        raise UserError(f"{names} comes from no version of {table}, so its texts cannot be found: build it again.")
    return list(found.values())


def copy_texts(
    versions: Sequence[Version], folder: Path, wanted: "pl.Series | None" = None, columns: Sequence[str] = ("text",)
) -> Texts:
    """Copy those columns of the rows `wanted` (sorted ids; None for all) into flat files in `folder`, and map them.

    A row that several versions hold is taken once. UserError where two of them hold other texts under one id.
    """
    import polars as pl

    folder.mkdir(parents=True)
    files = {name: _FlatFile(folder / name) for name in columns}
    seen = pl.DataFrame(schema={"id": pl.String, "hash": pl.String})
    ids: list[pl.Series] = []
    for number, version in enumerate(versions):
        mine = []
        for shard in version.shards():
            rows = _keys(version, shard)
            if wanted is not None:
                rows = rows.filter(among(rows["id"], wanted))
            if number:
                rows = _not_seen(rows, seen, version, versions[:number])
            if len(rows):
                table = read_table(shard, list(columns)).take(rows["row"].to_arrow())
                for name, file in files.items():
                    file.append(table.column(name))
                ids.append(rows["id"])
                mine.append(rows.select("id", "hash"))
        if number + 1 < len(versions):
            seen = pl.concat([seen, *mine])
    found = pl.concat(ids) if ids else pl.Series("id", [], pl.String)
    return Texts(found.rechunk(), {name: file.mapped() for name, file in files.items()})


def _keys(version: Version, shard: Path) -> "pl.DataFrame":
    """(row, id, hash) of the shard."""
    import polars as pl

    names = {key_column(version.record): "id", "text_hash": "hash"}
    table = read_table(shard, list(names))
    return pl.DataFrame({new: pl.Series(table.column(old)) for old, new in names.items()}).with_row_index("row")


def among(ids: "pl.Series", wanted: "pl.Series") -> "pl.Series":
    """Whether each id is wanted, by binary search: `is_in` hashes all that are wanted again for each shard (0.4 s)."""
    import polars as pl

    if not len(wanted):
        return pl.repeat(value=False, n=len(ids), eager=True)
    return wanted.gather(wanted.search_sorted(ids).clip(0, len(wanted) - 1)) == ids


def _not_seen(
    rows: "pl.DataFrame", seen: "pl.DataFrame", version: Version, before: Sequence[Version]
) -> "pl.DataFrame":
    both = rows.join(seen, on="id", suffix="_before")
    other = both.filter(both["hash"] != both["hash_before"]).sort("id")
    if len(other):
        raise UserError(
            f"{other['id'][0]} is one text in {version} and another in {', '.join(map(str, before))}: export the "
            "triplets that come from different texts one by one."
        )
    return rows.join(seen, on="id", how="anti", maintain_order="left")


class _FlatFile:
    """UTF-8 texts one after the other, and where each of them ends.

    One array without blocks: a random read is then a plain copy, of pages that the system may drop again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends = [np.zeros(1, np.int64)]
        path.touch()

    def append(self, values: Any) -> None:
        import pyarrow as pa

        whole = values.cast(pa.large_string()).combine_chunks()
        _, offsets, data = whole.buffers()
        ends = np.frombuffer(offsets, np.int64)[whole.offset : whole.offset + len(whole) + 1]
        with self.path.open("ab") as file:
            if data is not None:
                file.write(data.slice(ends[0], ends[-1] - ends[0]))
        self.ends.append(ends[1:] - ends[0] + self.ends[-1][-1])

    def mapped(self) -> "pa.LargeStringArray":
        import pyarrow as pa

        ends = np.concatenate(self.ends)
        data = pa.memory_map(str(self.path)).read_buffer() if ends[-1] else pa.py_buffer(b"")
        _, offsets = pa.array(ends).buffers()
        assert offsets is not None
        texts: Any = pa.LargeStringArray.from_buffers(len(ends) - 1, offsets, data)
        return texts  # type: ignore[no-any-return]
