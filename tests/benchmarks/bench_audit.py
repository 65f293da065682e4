"""What the audit finds of what is known to be relevant: edited copies of positives, and judged positives, both hidden.

    python -m tests.benchmarks.bench_audit --data data --triplets triplets/... [--judged] [--rows 400] [--by dense copy] [--seed 1]
The data folder is copied first. Vectors that are stored in it are used again.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from builders.audit import Audit, main
from builders.quality.rates import wilson
from builders.store.versions import find_version
from tests.making import rows_of
from tests.quality.planted_negatives import Planted, hide_judged, plant_copies


def bench() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--triplets", default="triplets")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0, help="which rows, and which edits")
    parser.add_argument("--judged", action="store_true", help="hide judged positives, not edited copies")
    parser.add_argument("--by", nargs=2, default=("dense", "copy"))
    parser.add_argument("--thresholds", nargs=2, type=float, default=None)
    parser.add_argument("--save", type=Path, default=None, help="Parquet of all pairs with scores and truth")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        data = Path(shutil.copytree(asked.data, Path(name) / "data"))
        triplets = find_version(data, asked.triplets, table="triplets")
        sets = [plant_copies(triplets, data, asked.rows, asked.seed)] if not asked.judged else []
        if asked.judged:
            several = any(len(row["positive_ids"]) > 1 for row in rows_of(triplets))
            sets += [hide_judged(triplets, data, asked.rows, stand_in=False, seed=asked.seed)] if several else []
            sets += [hide_judged(triplets, data, asked.rows, stand_in=True, seed=asked.seed)]
        for number, planted in enumerate(sets):
            config = Audit((str(planted.triplets),), data, tuple(asked.by), asked.thresholds, pairs=None)
            opinions = main(config)
            assert opinions is not None
            negatives = [row for row in rows_of(opinions) if row["side"] == "negative"]
            report(negatives, planted)
            if asked.save:
                save(asked.save.with_stem(f"{asked.save.stem}-{number}"), negatives, planted)


def report(negatives: list[dict[str, Any]], planted: Planted) -> None:
    """Recall and precision by edit share. Every flagged negative that was not hidden counts against precision."""
    print(
        f"{'hidden':<12} {'rows':>5} {'hidden':>6} {'found':>6} {'others':>7} {'flagged':>7}  recall                 precision"
    )
    for share in sorted({*planted.shares.values()}):
        rows = {name for name, its in planted.shares.items() if its == share}
        line(f"{share:.0%} edits" if share else "judged", [n for n in negatives if n["triplet_id"] in rows], planted)
    line("all", negatives, planted)
    for language in sorted({n["language"] for n in negatives}):
        line(language, [n for n in negatives if n["language"] == language], planted)


def line(what: str, negatives: list[dict[str, Any]], planted: Planted) -> None:
    is_hidden = [(n["triplet_id"], n["chunk_id"]) in planted.hidden for n in negatives]
    is_found = [n["verdict"] == "relevant" for n in negatives]
    hidden, found = sum(is_hidden), sum(h and f for h, f in zip(is_hidden, is_found, strict=True))
    flagged = sum(is_found)
    counts = f"{len({n['triplet_id'] for n in negatives}):>5} {hidden:>6} {found:>6} {len(negatives) - hidden:>7} {flagged - found:>7}"
    print(f"{what:<12} {counts}  {share_of(found, hidden)}  {share_of(found, flagged)}")


def share_of(part: int, whole: int) -> str:
    if not whole:
        return f"{'none':<21}"
    low, high = wilson(part / whole, whole)
    return f"{part / whole:.3f} ({low:.3f}..{high:.3f})"


def save(path: Path, negatives: Iterable[dict[str, Any]], planted: Planted) -> None:
    import polars as pl

    rows = []
    for n in negatives:
        first, second = n["opinions"]
        truth = {"hidden": (n["triplet_id"], n["chunk_id"]) in planted.hidden, "share": planted.shares[n["triplet_id"]]}
        scores = {"first": first["score"], "first_reference": first["reference"], "second": second["score"]}
        names = ("triplet_id", "chunk_id", "language", "rank", "verdict")
        rows.append({k: n[k] for k in names} | truth | scores | {"second_reference": second["reference"]})
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)


if __name__ == "__main__":
    bench()
