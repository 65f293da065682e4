"""What --engine-args may hold: a JSON object, and nothing that an option of its own pins."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from builders.cli.errors import UserError


def read_engine_args(text: str) -> dict[str, Any]:
    """The arguments. UserError where the text is no JSON object."""
    try:
        arguments = json.loads(text)
        if not isinstance(arguments, dict):
            raise ValueError("not an object")
    except ValueError as fault:
        raise UserError(
            f"The --engine-args {text[:80]!r} are not a JSON object ({fault}): write them like "
            "'{\"tensor_parallel_size\": 2}'.",
            exit_code=2,
        ) from None
    return arguments


def check_not_pinned(arguments: Mapping[str, Any], pinned: Collection[str], options: str) -> None:
    """UserError where the arguments name what `options` are for: those are recorded, and part of what is built."""
    named = [name for name in pinned if name in arguments]
    if named:
        raise UserError(f"The --engine-args name {named[0]}: use {options}, which are recorded.", exit_code=2)
