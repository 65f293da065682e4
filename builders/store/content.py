"""A hash of the rows of a table: of their values alone, whatever file, chunks or library version holds them."""

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# What each kind of value is hashed as, little-endian, so that the width in memory does not count.
_AS = {"int": "<i8", "double": "<f8", "bool": "u1"}


def content_hash(table: "pa.Table") -> str:
    """BLAKE2b-128 over the columns in order: name, lengths, which are null, and the values. Order of rows counts.

    By column, because a million rows of nested lists take seconds so, and minutes as JSON. ValueError for a number that
    is not finite: no column of a table may hold one.
    """
    digest = blake2b(digest_size=16)
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name}\0{len(column)}\0".encode())
        _feed(digest, name, column.chunks)
    return digest.hexdigest()


def _feed(digest: Any, name: str, arrays: list[Any]) -> None:
    """All of the lengths, then all of the values: where one array ends and the next begins does not show."""
    import pyarrow as pa

    if not arrays:
        return
    kind = arrays[0].type
    if any(array.null_count for array in arrays):
        for array in arrays:
            digest.update(_numbers(array.is_valid(), "u1"))
    if pa.types.is_list(kind):
        _feed_lengths(digest, arrays)
        _feed(digest, name, [array.flatten() for array in arrays])
    elif pa.types.is_struct(kind):
        for at, field in enumerate(kind):
            digest.update(f"{field.name}\0".encode())
            _feed(digest, f"{name}.{field.name}", [array.flatten()[at] for array in arrays])
    elif pa.types.is_string(kind):
        _feed_lengths(digest, arrays)
        for array in arrays:
            digest.update(_characters(array))
    else:
        _feed_numbers(digest, name, arrays)


def _feed_lengths(digest: Any, arrays: list[Any]) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    measure = pc.list_value_length if pa.types.is_list(arrays[0].type) else pc.binary_length
    for array in arrays:
        digest.update(_numbers(pc.fill_null(measure(array), 0), "<i8"))


def _feed_numbers(digest: Any, name: str, arrays: list[Any]) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = "bool" if pa.types.is_boolean(arrays[0].type) else "int" if pa.types.is_integer(arrays[0].type) else "double"
    for array in arrays:
        zero: Any = pa.scalar(False if kind == "bool" else 0, type=array.type)
        filled = pc.fill_null(array, zero) if array.null_count else array
        values = np.frombuffer(_numbers(filled, _AS[kind]), dtype=_AS[kind])
        if kind == "double" and not np.isfinite(values).all():
            raise ValueError(f"the column {name} holds a number that is not finite")
        digest.update(values.tobytes())


def _numbers(array: Any, kind: str) -> bytes:
    encoded: bytes = array.to_numpy(zero_copy_only=False).astype(kind).tobytes()
    return encoded


def _characters(array: Any) -> memoryview:
    """The bytes of all strings, one after the other."""
    import numpy as np
    import pyarrow.compute as pc

    if array.null_count:
        array = pc.fill_null(array, "")
    _, offsets, data = array.buffers()
    if data is None or not len(array):
        return memoryview(b"")
    first, last = np.frombuffer(offsets, dtype="<i4")[[array.offset, array.offset + len(array)]].tolist()
    return memoryview(data)[first:last]
