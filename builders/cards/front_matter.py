"""The YAML block of a card, which the Hub reads: configs, languages, licence, sizes, tags."""

import re
from collections.abc import Mapping
from typing import Any

from builders.cards.licences import hub_identifier, link, parts
from builders.cards.markdown import one_line
from builders.cards.stages import WRITING

# What is opened where no config is named: texts in line, which need no second table.
DEFAULT = "pairs"
LICENCE_FILE = "LICENSE.md"
CODE = re.compile("[a-z]{2,3}")


def front_matter(facts: Mapping[str, Any]) -> str:
    """The block without its dashes. All strings are of one line, so that none can end it."""
    from huggingface_hub import DatasetCardData

    # the Hub takes codes of ISO 639 alone, and `und` says that there is none
    languages = [code for code in (row["code"] for row in facts["languages"]) if CODE.fullmatch(code) and code != "und"]
    data = DatasetCardData(
        pretty_name=one_line(facts["name"]),
        language=sorted(languages),
        multilinguality="multilingual" if len(languages) > 1 else "monolingual",
        **licence_fields(facts["licence"]["strictest"]),
        annotations_creators=["found", "machine-generated"] if _judged(facts) else ["machine-generated"],
        language_creators=["found", "machine-generated"] if _written(facts) else ["found"],
        size_categories=[facts["size_category"]],
        task_categories=["text-retrieval"],
        tags=_tags(facts),
        configs=_configs(facts),
        dataset_info=_infos(facts),
    )
    text: str = data.to_yaml()
    return text


def licence_fields(expression: str) -> dict[str, Any]:
    """The Hub's identifier, or several; `other` with a name and a link where a part has none."""
    names = sorted(parts(expression))
    identifiers = [hub_identifier(name) for name in names]
    if all(identifiers):
        return {"license": identifiers[0] if len(names) == 1 else identifiers}
    slug = "-".join("".join(c if c.isalnum() or c == "." else " " for c in expression.lower()).split())
    where = link(names[0]) if len(names) == 1 else None
    return {"license": "other", "license_name": slug, "license_link": where or LICENCE_FILE}


def _judged(facts: Mapping[str, Any]) -> bool:
    return any(row["name"] == "supervised" for row in facts["methods"])


def _written(facts: Mapping[str, Any]) -> bool:
    return any(role in WRITING for model in facts["models"] for role in model["roles"])


def _tags(facts: Mapping[str, Any]) -> list[str]:
    methods = sorted(row["name"] for row in facts["methods"])
    synthetic = ["synthetic"] if _written(facts) else []
    return ["drama", "retrieval", "hard-negatives", "sentence-transformers", *synthetic, *methods]


def _configs(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for config in facts["configs"]:
        name = config["name"]
        files = [
            {"split": split["name"], "path": f"{name}/{split['name']}/*.parquet"}
            for split in config["splits"]
            if split["rows"]
        ]
        if files:
            found.append({"config_name": name, "data_files": files, **({"default": True} if name == DEFAULT else {})})
    return found


def _infos(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows by split, which `datasets` compares with what it reads. It asks for bytes too: those of the files."""
    infos = []
    for config in facts["configs"]:
        splits = [
            {"name": split["name"], "num_bytes": split["bytes"], "num_examples": split["rows"]}
            for split in config["splits"]
            if split["rows"]
        ]
        if splits:
            size = sum(split["num_bytes"] for split in splits)
            sizes = {"download_size": size, "dataset_size": size}
            infos.append({"config_name": config["name"], "splits": splits, **sizes})
    return infos
