"""Every system on every set; what a folder holds already is read, not computed again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from builders.cards.markdown import one_line
from builders.cli.progress import say
from builders.store.parquet import replacing
from builders.store.schemas import canonical
from drama_train.evaluation.metrics import METRICS
from drama_train.evaluation.opening import Named
from drama_train.evaluation.scoring import Scores, scores_of
from drama_train.evaluation.sets import EvaluationSet
from drama_train.evaluation.systems import System

# Raise it when the same vectors come to have other scores.
REVISION = 1
QUERIES = "queries"


@dataclass(frozen=True)
class Row:
    """A system on a set, by `dim` numbers of its vectors (None: BM25, without any): scores, or why there are none."""

    system: str
    set: str
    dim: int | None
    key: str | None
    scores: Scores | None
    not_run: str | None = None


@dataclass
class Run:
    """What was run: rows in the order of sets, systems and falling dimensions; and what is told of each set."""

    rows: list[Row] = field(default_factory=list)
    sets: list[dict[str, Any]] = field(default_factory=list)


def run_all(systems: Sequence[System], sets: Sequence[Named], out: Path) -> Run:
    """Each set is opened once and let go. `out` keeps each query's scores in queries/KEY.parquet."""
    run = Run()
    for named in sets:
        reasons = {system.spec.name: system.not_run(named.max_length) for system in systems}
        if all(reasons.values()):  # so its texts need not be made
            run.rows += [Row(name, named.name, None, None, None, reason) for name, reason in reasons.items()]
            say(f"{named.name}: not run, no system reads {named.max_length:,} tokens")
            continue
        searched = named.open()
        run.sets.append(_told(searched))
        for note in run.sets[-1]["notes"]:
            say(f"{named.name}: {one_line(note)}")  # it may hold ids of the data
        for system in systems:
            if reason := reasons[system.spec.name]:
                run.rows.append(Row(system.spec.name, named.name, None, None, None, reason))
                say(f"{system.spec.name} on {named.name}: not run, {reason}")
            else:
                run.rows += _scored(system, searched, out)
    return run


def _scored(system: System, searched: EvaluationSet, out: Path) -> list[Row]:
    keys = {dim: _key(system, searched, dim) for dim in system.widths()}
    found = {dim: _stored(out, key, searched) for dim, key in keys.items()}
    missing = [dim for dim, scores in found.items() if scores is None]
    told = f"{system.spec.name} on {searched.name}"
    if missing:
        for dim, rankings in system.rankings(searched, missing):
            found[dim] = scores = scores_of(searched, rankings)
            _store(out, keys[dim], scores)
    rows = [Row(system.spec.name, searched.name, dim, keys[dim], scores) for dim, scores in found.items()]
    best = rows[0].scores
    assert best is not None
    say(f"{told}: nDCG@10 {best.mean('ndcg_at_10'):.3f}" + ("" if missing else ", already scored"))
    return rows


def _key(system: System, searched: EvaluationSet, dim: int | None) -> str:
    """A hash of all that determines the scores."""
    parts = {
        "by": REVISION,
        "metrics": METRICS,
        "system": system.identity(searched),
        "set": [searched.revision, searched.without_own, searched.max_length],
        "dim": dim,
    }
    return blake2b(canonical(parts), digest_size=8).hexdigest()


def _store(out: Path, key: str, scores: Scores) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"query_id": scores.queries, "language": scores.languages} | dict(scores.values)
    (out / QUERIES).mkdir(parents=True, exist_ok=True)
    with replacing(out / QUERIES / f"{key}.parquet") as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def _stored(out: Path, key: str, searched: EvaluationSet) -> Scores | None:
    """What an earlier run has left; None where there is nothing, or it is damaged, which is said."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = out / QUERIES / f"{key}.parquet"
    if not path.exists():
        return None
    try:
        table = pq.read_table(path, partitioning=None)
        values = {metric: table[metric].to_numpy() for metric in METRICS}
        queries = table["query_id"].to_pylist()
    except (pa.ArrowException, KeyError, OSError) as fault:
        say(f"{path} is damaged ({' '.join(str(fault).split())[:120]}): it is computed again")
        return None
    if queries != list(searched.judgements):
        say(f"{path} is of other queries: it is computed again")
        return None
    return Scores(queries, [searched.languages[query] for query in queries], values)


def single(languages: Sequence[str]) -> str:
    """The note of languages that have one query each."""
    return f"one query alone in {', '.join(languages)}: intervals are too narrow, and no difference is resolved"


def _told(searched: EvaluationSet) -> dict[str, Any]:
    """The set as scores.json tells of it."""
    pools = searched.pools
    spoken = sorted(set(searched.languages.values()))
    asked = {language: sum(own == language for own in searched.languages.values()) for language in spoken}
    alone = [language for language in spoken if asked[language] == 1]
    return {
        "name": searched.name,
        "revision": searched.revision,
        "queries": len(searched.queries),
        "documents": len(searched.documents),
        "max_length": searched.max_length,
        "languages": [
            {"language": language, "queries": asked[language], "documents": len(pools[language][1])}
            if searched.document_languages
            else {"language": language, "queries": asked[language], "documents": len(searched.documents)}
            for language in spoken
        ],
        "notes": [*searched.notes, *([single(alone)] if alone else [])],
    }
