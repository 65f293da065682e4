"""Faults planted into drawn tables."""

from typing import Any


def plant(drawn: Any, table: str, rows: slice, columns: dict[str, Any]) -> dict[str, Any]:
    return columns
