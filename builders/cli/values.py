"""A value of a recipe, checked against the type of the field that it fills."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from builders.cli.errors import UserError


def read_value(value: Any, hint: Any, where: str) -> Any:
    """The value as the field wants it (a string becomes a Path, an integer a float); UserError where it cannot be."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(h for h in get_args(hint) if h is not NoneType)
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            raise UserError(f"{where} = {value!r} is not one of {', '.join(map(str, get_args(hint)))}.", exit_code=2)
        return value
    if origin is tuple and get_args(hint)[1:] == (...,) and isinstance(value, list):
        return tuple(read_value(v, get_args(hint)[0], where) for v in value)
    if origin is tuple and isinstance(value, list) and len(value) == len(get_args(hint)):
        return tuple(read_value(v, h, where) for v, h in zip(value, get_args(hint), strict=True))
    if origin is dict and isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
        return value
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is float and type(value) in (int, float):
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    wanted = getattr(hint, "__name__", str(hint)) if origin is None else str(hint)
    raise UserError(f"{where} = {value!r} is not of type {wanted}.", exit_code=2)
