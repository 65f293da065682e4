"""The configs of a release and the columns of each, from the schemas."""

from collections.abc import Mapping
from typing import Any

from builders.store.schemas import load_schema

ABOUT = {
    "corpus": "All chunks: what a retriever searches, and the texts of positives and negatives.",
    "queries": "All queries, with the chunk that each was made from.",
    "triplets": "Training rows by id: a query, its positives and its hard negatives, with ranks and scores.",
    "pairs": "Training rows with their texts in line, as sentence-transformers opens them.",
}


def config_facts(configs: Mapping[str, Any], negatives: int) -> list[dict[str, Any]]:
    """What the card says of each config; `configs` as in a release's manifest."""
    return [
        {
            "name": name,
            "record": config["record"],
            "description": ABOUT.get(name, ""),
            "columns": columns_of(config["record"]) if config["record"] else pair_columns(negatives),
            "splits": [
                {
                    "name": split,
                    "rows": found["rows"],
                    "bytes": sum(file["bytes"] for file in found["files"]),
                    "files": [
                        {key: file[key] for key in ("path", "rows", "bytes", "sha256")} for file in found["files"]
                    ],
                }
                for split, found in config["splits"].items()
            ],
        }
        for name, config in configs.items()
    ]


def columns_of(record: str) -> list[dict[str, str]]:
    return [
        {"name": name, "type": type_name(definition), "description": definition["description"]}
        for name, definition in load_schema(record)["properties"].items()
    ]


def type_name(definition: Mapping[str, Any]) -> str:
    """The type in a word or two: string, int32, list of string or null."""
    kinds = [definition["type"]] if isinstance(definition["type"], str) else list(definition["type"])
    (kind,) = [one for one in kinds if one != "null"]
    if kind == "array":
        name = f"list of {type_name(definition['items'])}"
    elif kind == "object":
        inner = ", ".join(f"{key}: {type_name(value)}" for key, value in definition["properties"].items())
        name = f"struct ({inner})"
    else:
        integer = "int32" if definition.get("format") == "int32" else "int64"
        name = {"integer": integer, "number": "float64", "boolean": "bool"}.get(kind, kind)
    return f"{name} or null" if "null" in kinds else name


def pair_columns(negatives: int) -> list[dict[str, str]]:
    rest = [(f"negative_{n}", f"The text of hard negative {n}, best ranked first.") for n in range(1, negatives + 1)]
    texts = [("anchor", "The query's text."), ("positive", "The text of its first positive."), *rest]
    return [{"name": name, "type": "string", "description": description} for name, description in texts]


def size_category(rows: int) -> str:
    """The Hub's word for a number of rows, which it counts over all configs."""
    bounds = [10**power for power in range(3, 13)]
    names = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T"]
    for at, bound in enumerate(bounds):
        if rows < bound:
            return f"n<{names[0]}" if at == 0 else f"{names[at - 1]}<n<{names[at]}"
    return f"n>{names[-1]}"
