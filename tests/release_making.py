"""A small release, written by the contract of a release folder and by no code of builders.release."""

import hashlib
import json
import random
import shutil
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from builders.store.content import content_hash
from builders.store.parquet import write_parquet
from builders.store.schemas import schema_hash

RECORDS = {"corpus": "chunk", "queries": "query", "triplets": "triplet", "pairs": None}
SPLITS = {"train": 60, "heldout": 12}


def write_release(folder: Path, *, release: str = "v1.0.0", name: str = "notes", seed: int = 0) -> Path:
    """Corpus, queries, triplets and pairs, each with a train and a heldout split. The seed changes every text."""
    configs: dict[str, Any] = {}
    for config, record in RECORDS.items():
        splits = {split: _write_split(folder, config, record, split, seed) for split in SPLITS}
        configs[config] = {"record": record, "schema": record and schema_hash(record), "splits": splits}
    _write_texts(folder, name, release, seed)
    write_manifest(folder, name, release, configs)
    return folder


def write_manifest(
    folder: Path, name: str, release: str, configs: dict[str, Any], *, errors: int = 0, warnings: int = 1
) -> None:
    parquet = [f for config in configs.values() for split in config["splits"].values() for f in split["files"]]
    digest = blake2b(digest_size=16)
    for file in sorted(parquet, key=lambda file: str(file["path"])):
        digest.update(f"{file['path']}\0{file['content_hash']}\n".encode())
    rows = {file["path"] for file in parquet}
    others = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    manifest = {
        "name": name,
        "release": release,
        "content_hash": digest.hexdigest(),
        "previous": None,
        "finished": "2026-01-01T00:00:00Z",
        "licence": "CC-BY-4.0",
        "configs": configs,
        "versions": [
            {"version": "triplets/abc", "content_hash": "0" * 32, "stage": "builders.triplets", "is_named": True}
        ],
        "quality": {"errors": errors, "warnings": warnings},
        "made_with": {"python": "3.11"},
        "files": [facts(folder, path) for path in others if path not in rows and path != "manifest.json"],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def facts(folder: Path, path: str) -> dict[str, Any]:
    content = (folder / path).read_bytes()
    return {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def manifest_of(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


def rewrite(folder: Path, path: str, content: str) -> None:
    """Another text file, and a manifest that says so."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(content)
    told = manifest_of(folder)
    write_manifest(folder, told["name"], told["release"], told["configs"])


def next_release(folder: Path, made: Path, release: str = "v1.1.0") -> Path:
    """The same rows but for `corpus`, which has one file less in train, as a release of its own."""
    shutil.copytree(folder, made)
    told = manifest_of(made)
    split = told["configs"]["corpus"]["splits"]["train"]
    split["rows"] -= split["files"][-1]["rows"]
    (made / split["files"].pop()["path"]).unlink()
    (made / "CHANGELOG.md").write_text(f"# {release}\n\nfewer chunks\n")
    write_manifest(made, told["name"], release, told["configs"])
    return made


def expected_rows(folder: Path, config: str, split: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    files = sorted((folder / config / split).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


def _write_split(folder: Path, config: str, record: str | None, split: str, seed: int) -> dict[str, Any]:
    rows = [_row(config, split, number, seed) for number in range(SPLITS[split])]
    half = len(rows) // 2 if (config, split) == ("corpus", "train") else len(rows)
    files = []
    for number, part in enumerate((rows[:half], rows[half:])):
        if part:
            path = f"{config}/{split}/{number:05}.parquet"
            written = write_parquet(folder / path, part, record) if record else _write_pairs(folder / path, part)
            files.append({"path": path} | written)
    return {"rows": len(rows), "files": files}


def _write_pairs(path: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
    told = facts(path.parent, path.name)
    return {"rows": len(table), "content_hash": content_hash(table)} | {k: told[k] for k in ("bytes", "sha256")}


def _row(config: str, split: str, number: int, seed: int) -> dict[str, Any]:
    if config == "pairs":
        return {side: _text(split, number, seed, side) for side in ("anchor", "positive", "negative_1", "negative_2")}
    at = f"{split}{number:04}"
    shared = {"chunk_id": f"d{at}#0000", "document_id": f"d{at}", "source": "notes", "language": "en", "split": split}
    text = _text(split, number, seed, config)
    hashes = {f"{kind}text_hash": blake2b(text.encode(), digest_size=16).hexdigest() for kind in ("", "normalised_")}
    if config == "corpus":
        own = {"title": "t", "text": text, "start": 0, "end": len(text), "sentence_starts": [0], "tokens": 9}
        own |= {"language_confidence": 1.0, "licence": None, "cluster_id": shared["chunk_id"]}
        return shared | own | hashes
    query = {"query_id": f"d{at}#0000~sent0", "method": "sent"}
    if config == "queries":
        nothing = dict.fromkeys(("task", "stated_language", "model", "prompt_version", "parse", "reply", "licence"))
        own = {"text": text, "start": 0, "end": len(text), "chunk_text_hash": "0" * 32}
        return shared | query | own | nothing | hashes
    own = {"triplet_id": f"d{at}#0000~sent0+sent", "retriever": "bm25", "judge": None, "ranking": "candidates/abc"}
    positive = {"positive_ids": [shared["chunk_id"]], "positive_ranks": [1], "positive_scores": [2.5]}
    negative = {"negative_ids": ["x#0", "y#0"], "negative_ranks": [11, None], "negative_scores": [1.0, None]}
    return shared | query | own | positive | negative | {"normalised_text_hash": "0" * 32}


def _text(*of: object) -> str:
    """Words that do not compress, so that a file of few rows is several parts."""
    drawn = random.Random(repr(of))
    return " ".join(f"{drawn.getrandbits(64):x}" for _ in range(12))


def _write_texts(folder: Path, name: str, release: str, seed: int) -> None:
    yaml = "".join(f"- config_name: {config}\n  data_files:\n{_data_files(config)}" for config in RECORDS)
    texts = {
        "README.md": f"---\nlicense: cc-by-4.0\nconfigs:\n{yaml}---\n# {name} {release}\n",
        "CHANGELOG.md": f"# {release}\n\nfirst, {seed}\n",
        "facts.json": json.dumps({"name": name, "release": release}),
        "croissant.json": "{}",
        "report.html": "<!doctype html><title>report</title><p>a row tells of hf_" + "a" * 34,
        "prompts/synthetic_query.toml": "text = 'a prompt'\n",
        "plots/query_words.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "manifests/triplets-abc.json": "{}",
        "quality.json": json.dumps(quality(failed=["long_query"], severity="warning")),
    }
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def _data_files(config: str) -> str:
    return "".join(f"  - split: {split}\n    path: {config}/{split}/*.parquet\n" for split in SPLITS)


def quality(failed: Iterable[str], severity: str) -> dict[str, Any]:
    """quality.json where one check passed and the others failed."""
    failed = list(failed)
    checks = [_check("unique_ids", "error", "passed"), *(_check(name, severity, "failed") for name in failed)]
    counts = {
        kind: sum(c["severity"] == kind and c["status"] == "failed" for c in checks) for kind in ("error", "warning")
    }
    return {
        "versions": ["triplets/abc"],
        "checks": checks,
        "errors": counts["error"],
        "warnings": counts["warning"],
        "memory": "2GB",
        "seconds": 0.1,
    }


def _check(name: str, severity: str, status: str) -> dict[str, Any]:
    told = {
        "name": name,
        "severity": severity,
        "status": status,
        "tables": ["queries"],
        "reason": "so that it is found",
    }
    failing = int(status == "failed")
    examples = [{"key": "q1", "detail": "long"}] * failing
    return told | {"threshold": 0, "examined": 5, "failing": failing, "seconds": 0.1, "examples": examples}
