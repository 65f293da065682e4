"""Faults planted into drawn tables, each kind TIMES times: rows changed in place, or rows that nothing names added."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from tests.benchmarks.drawn_tables import Drawn

TIMES = 3
RANKINGS = "triplets_agree_with_rankings"
Row = dict[str, Any]


def plant(drawn: "Drawn", table: str, rows: slice, columns: dict[str, Any]) -> dict[str, Any]:
    """The columns of these rows of the table, with what is planted in them; what it is is counted in `drawn.faults`."""
    changes = {"triplets": _triplet_changes, "candidates": _candidate_changes, "chunks": _chunk_changes}
    at = {
        row: change for row, change in changes.get(table, lambda _: {})(drawn).items() if rows.start <= row < rows.stop
    }
    if at:
        columns = _changed(drawn, rows.start, columns, at)
    total = {"chunks": drawn.chunks, "queries": drawn.queries}.get(table)
    if rows.stop == total:
        added = (_added_chunks if table == "chunks" else _added_queries)(drawn, columns)
        columns = {
            name: pa.concat_arrays([_array(column), pa.array([row[name] for row in added], _array(column).type)])
            for name, column in columns.items()
        }
    return columns


def _array(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _changed(drawn: "Drawn", start: int, columns: dict[str, Any], at: dict[int, Any]) -> dict[str, Any]:
    lists = {name: column.to_pylist() for name, column in columns.items()}
    for number, (checks, change) in at.items():
        row = {name: values[number - start] for name, values in lists.items()}
        change(row)
        for name, values in lists.items():
            values[number - start] = row[name]
        drawn.faults.update(checks)
    return {name: pa.array(values, columns[name].type) for name, values in lists.items()}


def _train_queries(drawn: "Drawn") -> Any:
    """Numbers of queries to plant at, far from each other, whose own chunk is a train chunk and not its document's last."""
    queries = np.arange(50, drawn.queries, max(1, drawn.queries // 400))
    own = queries * 5
    return queries[~drawn.held_out[own] & (own % 4 < 3)]


def _twins(drawn: "Drawn", place: int) -> Any:
    """Chunks of two documents that are near-duplicates of the one after them: place 3 with the same words, 23 without."""
    numbers = np.arange(place, drawn.chunks - 1, 40)
    return iter(numbers[~drawn.held_out[numbers]][1::7].tolist())


def item(name: str, place: int, value: Any) -> Any:
    return lambda row: row[name].__setitem__(place, value)


def item_of(name: str, place: int, other: int) -> Any:
    return lambda row: row[name].__setitem__(place, row[name][other])


def column(name: str, value: Any) -> Any:
    return lambda row: row.__setitem__(name, value)


def twins(ids: Any, chunk: int) -> Any:
    def change(row: Row) -> None:
        row["positive_ids"][0] = ids[chunk].as_py()
        row["negative_ids"][0] = ids[chunk + 1].as_py()

    return change


def both(ids: Any, chunk: int) -> Any:
    def change(row: Row) -> None:
        row["negative_ids"][:2] = [ids[chunk].as_py(), ids[chunk + 1].as_py()]

    return change


def shorter(*names: str) -> Any:
    def change(row: Row) -> None:
        for name in names:
            row[name] = row[name][:-1]

    return change


def each(name: str, tell: Any) -> Any:
    return lambda row: row.__setitem__(name, [tell(value) for value in row[name]])


def twice(row: Row) -> None:
    for name in ("positive_ids", "positive_ranks", "positive_scores"):
        row[name] = row[name] * 2


def _triplet_changes(drawn: "Drawn") -> dict[int, Any]:
    ids = drawn.chunk_ids
    held_out = np.flatnonzero(drawn.held_out)
    same, near = _twins(drawn, 3), _twins(drawn, 23)

    planned: list[Any] = []
    for time in range(TIMES):
        planned += [
            (
                ["negative_is_positive", "negative_holds_query", RANKINGS],
                lambda row: row["negative_ids"].__setitem__(0, row["chunk_id"]),
            ),
            (["negative_has_positive_text", RANKINGS], twins(ids, next(same))),
            (["negative_is_near_duplicate", RANKINGS], twins(ids, next(near))),
            (["negative_of_positive_document", RANKINGS], "beside"),
            (["negative_is_positive", RANKINGS], "other row"),
            (["negatives_unique", RANKINGS], item_of("negative_ids", 1, 0)),
            (["negatives_unique", RANKINGS], both(ids, next(same))),
            (["positives_unique"], twice),
            (["references_triplets", RANKINGS], item("negative_ids", 2, "nowhere.html#0000")),
            (["references_triplets", RANKINGS], item("positive_ids", 0, "nowhere.html#0000")),
            (["references_triplets", RANKINGS], column("query_id", "nowhere.html#0000~sent0")),
            (["references_triplets", "triplets_agree_with_queries"], column("document_id", "nowhere.html")),
            (["heldout_chunks", RANKINGS], item("negative_ids", 3, ids[int(held_out[1000 + 97 * time])].as_py())),
            (["heldout_queries"], column("split", "heldout")),
            (["triplets_agree_with_queries"], column("language", "de")),
            (["negatives_as_promised"], shorter("negative_ids", "negative_ranks", "negative_scores")),
            (["triplet_lists", RANKINGS], shorter("negative_ranks")),
            (["triplet_scores", RANKINGS], item("negative_scores", 6, float("-inf") if time else float("nan"))),
            (["triplet_ranks", RANKINGS], item("negative_ranks", 6, 5)),
            (["negative_above_positive", RANKINGS], item("negative_scores", 0, 0.95)),
            (["schema.triplet.method", "triplets_agree_with_queries"], column("method", "guess")),
            (["schema.triplet.negative_ranks", RANKINGS], item("negative_ranks", 0, 0)),
            (["unique_triplets"], "same id"),
            ([RANKINGS], each("negative_ranks", lambda rank: rank + 1)),
            ([RANKINGS], each("negative_scores", lambda score: score - 1e-6)),
            ([RANKINGS], lambda row: row["negative_ids"].reverse()),
            ([RANKINGS], item("positive_ranks", 0, 7)),
            ([RANKINGS], column("ranking", "candidates/0123456789ab")),
            ([RANKINGS], column("ranking", None)),
            ([RANKINGS], column("retriever", "other@1")),
            (["triplets_agree_with_queries"], column("method", "qgen")),
            (["negative_holds_query", RANKINGS], "holds"),
        ]
    found: dict[int, Any] = {}
    queries = _train_queries(drawn)
    for number, (checks, change) in enumerate(planned):
        query = int(queries[number])
        row = query * 10
        if change == "beside":
            change = item("negative_ids", 0, ids[query * 5 + 1].as_py())
        elif change == "other row":  # a positive of row 0 is a negative of row 3, far from the query's own chunk
            answer = next(same) + 20 * 40 + 10
            found[row + 3] = ([RANKINGS], item("negative_ids", 4, ids[answer].as_py()))
            change = item("positive_ids", 0, ids[answer].as_py())
        elif change == "same id":
            change = column("triplet_id", f"{ids[query * 5].as_py()}~sent0+sent1")
        elif change == "holds":
            change = item("negative_ids", 5, ids[_holder(drawn, query)].as_py())
        found[row] = (checks, change)
    return found


def _holder(drawn: "Drawn", query: int) -> int:
    """The chunk into which the query's sentence is planted too."""
    holder = (query * 5 + drawn.chunks // 2) // 40 * 40 + 50
    while drawn.held_out[holder % drawn.chunks]:
        holder += 40
    return holder % drawn.chunks


def _chunk_changes(drawn: "Drawn") -> dict[int, Any]:
    kinds = 32  # of changes to triplets, of which the last is `holds`
    queries = [int(query) for query in _train_queries(drawn)[kinds - 1 : kinds * TIMES : kinds]]

    def held(query: int) -> Any:
        def change(row: Row) -> None:
            row["text"] += " " + drawn.sentence(np.array([query * 5]), 1)[0].as_py()
            row["end"] = len(row["text"])

        return change

    return {_holder(drawn, query): ([], held(query)) for query in queries}


def _candidate_changes(drawn: "Drawn") -> dict[int, Any]:
    held_out = np.flatnonzero(drawn.held_out)
    queries = [int(query) + 1 for query in _train_queries(drawn) if not drawn.held_out[(query + 1) * 5]]
    changes = [
        (["references_candidates"], lambda row: row["chunk_ids"].__setitem__(7, "nowhere.html#0000")),
        (
            ["heldout_candidates"],
            lambda row: row["chunk_ids"].__setitem__(8, drawn.chunk_ids[int(held_out[500])].as_py()),
        ),
        (["candidate_lists"], lambda row: row["scores"].pop()),
        (["candidate_scores"], lambda row: row["scores"].__setitem__(49, float("-inf"))),
        (["candidate_order"], lambda row: row["scores"].__setitem__(20, 0.95)),
        (["candidate_repeats"], lambda row: row["chunk_ids"].__setitem__(9, row["chunk_ids"][10])),
        (["candidate_own_rank"], lambda row: row.__setitem__("own_rank", 2)),
        (["candidates_agree_with_queries"], lambda row: row.__setitem__("document_id", "nowhere.html")),
        # rank 36, which rows 0 to 5 of the query name
        ([RANKINGS] * 6, lambda row: row["scores"].__setitem__(35, row["scores"][35] - 1e-6)),
        (["schema.candidates.method"], lambda row: row.__setitem__("method", "guess")),
    ]
    return {queries[number]: change for number, change in enumerate(changes * TIMES)}


def _added_chunks(drawn: "Drawn", columns: dict[str, Any]) -> list[Row]:
    plain = {name: column[-1].as_py() for name, column in columns.items()}
    added: list[Row] = []

    def add(checks: list[str], **changes: Any) -> None:
        number = len(added)
        own = {"chunk_id": f"added.html#{number:04d}", "cluster_id": f"added.html#{number:04d}"}
        hashes = dict.fromkeys(("text_hash", "normalised_text_hash"), f"{number + 1:032x}")
        added.append({**plain, **own, **hashes, **changes})
        drawn.faults.update(checks)

    for time in range(TIMES):
        chunk = 2_003 + 400 * time
        add(
            ["unique_chunks"],
            chunk_id=drawn.chunk_ids[chunk].as_py(),
            document_id=drawn.document_ids[chunk // 4].as_py(),
        )
        add(["references_chunks"], document_id="nowhere.html")
        # added beside a chunk of the other split, whose cluster it names
        train = int(np.flatnonzero(~drawn.held_out)[3_000 + 41 * time])
        cluster = drawn.chunk_ids[int(drawn.clusters[train])].as_py()
        add(["clusters_in_one_split"], cluster_id=cluster, split="heldout")
        add(["chunk_length"], tokens=100_000)
        add(["chunk_spans"], end=plain["end"] + 1)
        add(["schema.chunk.text_hash"], text_hash="no hash")
        add(["schema.chunk.tokens"], tokens=0)
        drawn.faults.update(["chunk_length"])  # none is too short as well
    return added


def _added_queries(drawn: "Drawn", columns: dict[str, Any]) -> list[Row]:
    plain = {name: column[-1].as_py() for name, column in columns.items()}
    added: list[Row] = []

    def add(checks: list[str], **changes: Any) -> None:
        number = len(added)
        hashes = {"text_hash": f"{number + 1:032x}", "normalised_text_hash": f"{number + 1:032x}"}
        added.append({**plain, "query_id": f"{plain['chunk_id']}~sent{number + 1}", **hashes, **changes})
        drawn.faults.update(checks)

    words = "which of them is meant by what was said before it"
    for time in range(TIMES):
        add(["unique_queries"], query_id=plain["query_id"] if not time else f"again{time}")
        if time:
            add([], query_id=f"again{time}")
        add(["references_queries", "cropped_queries"], chunk_id="nowhere.html#0000", method="qgen", text=words)
        drawn.faults.subtract(["cropped_queries"])
        add(["queries_agree_with_chunks"], source="elsewhere")
        add(["cropped_queries"], text="This stands nowhere in it.")
        add(["duplicate_queries"], normalised_text_hash=drawn.query_hashes[5 + time].as_py())
        add(["query_language"], language="de")
        add(["query_length"], text=words * 60, method="qgen")
        add(
            ["copied_queries", "lexical_overlap"],
            text=drawn.sentence(np.array([drawn.queries * 5 - 5]), 0)[0].as_py()
            + " "
            + drawn.sentence(np.array([drawn.queries * 5 - 5]), 1)[0].as_py(),
            method="qgen",
        )
        add(["schema.query.split", "queries_agree_with_chunks"], split="test")
    return added
