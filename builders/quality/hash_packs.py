"""Hash packs: evaluation sets as one Parquet file of hashes without any text, for where the texts are not."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.quality.evaluation_sets import EvaluationSet, EvaluationText
from builders.quality.text_keys import MINHASHES, REVISION, TextKeys, text_keys
from builders.store.schemas import arrow_schema, first_fault, load_schema, schema_hash

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

RECORD = "evaluation_hashes"
FORMAT = 1  # of the file; raised when its columns or what is kept with them change
KEY = b"drama_hash_pack"
ROWS_AT_ONCE, CHARACTERS_AT_ONCE = 5_000, 10_000_000


@dataclass(frozen=True)
class PackedSet:
    """What is known of a set in a pack. `short`: queries, documents that are compared exactly alone."""

    name: str
    fingerprint: str
    queries: int
    documents: int
    short_queries: int
    short_documents: int


@dataclass(frozen=True)
class HashPack:
    """A pack that was read and found whole. `documents`: positives, all that the sets hold, or none."""

    path: Path
    sets: tuple[PackedSet, ...]
    documents: str


@dataclass(frozen=True)
class Piece:
    """Some rows of a pack: who they are (set, role, evaluation_id, normalised_text_hash), and their keys."""

    rows: "pl.DataFrame"
    keys: TextKeys


def write_pack(sets: Sequence[EvaluationSet], documents: str, path: Path) -> HashPack:
    """Write the sets' hashes in one step: the file has its name when it is whole. Texts are read once, in a stream."""
    import pyarrow.parquet as pq

    from builders.store.parquet import replacing

    digest, packed = blake2b(digest_size=16), []
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, pq.ParquetWriter(temporary, arrow_schema(RECORD), compression="zstd") as writer:
        for one in sets:
            counts = dict.fromkeys(("queries", "documents", "short_queries", "short_documents"), 0)
            wanted = (text for text in one.read() if text.role == "query" or wants(documents, text))
            for texts in _portions(wanted):
                table = _table(one.name, texts, counts)
                digest.update(_content(table))
                writer.write_table(table)
            packed.append(PackedSet(one.name, one.fingerprint, **counts))
        content = digest.hexdigest()
        writer.add_key_value_metadata({KEY.decode(): json.dumps(_facts(packed, documents, content))})
    return HashPack(path, tuple(packed), documents)


def _portions(texts: Iterable[EvaluationText]) -> Iterator[list[EvaluationText]]:
    """Rows that are hashed, written and later read together: their n-grams have to fit into memory."""
    portion: list[EvaluationText] = []
    characters = 0
    for text in texts:
        portion.append(text)
        characters += len(text.text)
        if len(portion) == ROWS_AT_ONCE or characters > CHARACTERS_AT_ONCE:
            yield portion
            portion, characters = [], 0
    if portion:
        yield portion


def wants(documents: str, text: EvaluationText) -> bool:
    """Whether a document is among the positives, all or none that are to be compared with."""
    return documents == "all" or (documents == "positives" and text.relevant)


def _facts(packed: Iterable[PackedSet], documents: str, content: str) -> dict[str, Any]:
    told = {"format": FORMAT, "hashes": REVISION, "schema": schema_hash(RECORD)}
    return told | {"sets": [asdict(one) for one in packed], "documents": documents, "content": content}


def _table(name: str, texts: Sequence[EvaluationText], counts: dict[str, int]) -> "pa.Table":
    import numpy as np
    import pyarrow as pa

    keys = text_keys([text.text for text in texts])
    short = keys.is_short()
    for text, is_short in zip(texts, short.tolist(), strict=True):
        plural = "queries" if text.role == "query" else "documents"
        counts[plural] += 1
        counts[f"short_{plural}"] += is_short
    held = np.concatenate([[0], np.cumsum(np.where(short, 0, MINHASHES))]).astype(np.int32)
    offsets = pa.array(keys.starts.astype(np.int32)), pa.array(held)
    values = pa.array(keys.ngrams.view(np.int64)), pa.array(keys.minhashes[~short].ravel().view(np.int32))
    lists: list[Any] = [pa.ListArray.from_arrays(*pair) for pair in zip(offsets, values, strict=True)]  # type: ignore[call-overload]
    texts_by_column = {"role": [t.role for t in texts], "evaluation_id": [t.id for t in texts]}
    columns: dict[str, Any] = {
        "set": [name] * len(texts),
        **texts_by_column,
        "normalised_text_hash": keys.hashes,
        "words": keys.words,
    }
    return pa.table({**columns, "ngrams": lists[0], "minhash": lists[1]}).cast(arrow_schema(RECORD))


def _content(table: "pa.Table") -> bytes:
    from builders.store.content import content_hash

    return content_hash(table).encode()


def open_pack(path: Path) -> HashPack:
    """The pack, every row of it checked. UserError where it is no pack, of another format, damaged or edited."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            given = (file.schema_arrow.metadata or {}) | (file.metadata.metadata or {})
            facts = _read_facts(path, given)
            if file.schema_arrow.remove_metadata() != arrow_schema(RECORD):
                raise _damaged(path, "its columns are not those of a pack")
            digest = blake2b(digest_size=16)
            names = {one["name"] for one in facts["sets"]}
            for number in range(file.num_row_groups):
                table = file.read_row_group(number, use_threads=False)
                if fault := _fault(table, names):
                    raise _damaged(path, fault)
                digest.update(_content(table))
    except (OSError, pa.ArrowException) as error:
        fault = " ".join(str(error).split())[:200]
        raise UserError(f"The hash pack {path} cannot be read ({fault}): make it again.") from error
    if digest.hexdigest() != facts["content"]:
        raise _damaged(path, "its rows are not those that were written")
    return HashPack(path, tuple(PackedSet(**one) for one in facts["sets"]), facts["documents"])


def _damaged(path: Path, fault: str) -> UserError:
    return UserError(f"The hash pack {path} is damaged ({fault}): make it again from its sets with --pack.")


def _read_facts(path: Path, metadata: dict[bytes, bytes]) -> dict[str, Any]:
    if KEY not in metadata:
        raise UserError(f"{path} is a Parquet file and no hash pack: make one with --pack, or give the set's folder.")
    try:
        facts = json.loads(metadata[KEY])
    except ValueError:
        raise _damaged(path, "what it says of itself is no JSON") from None
    mine = {"format": FORMAT, "hashes": REVISION, "schema": schema_hash(RECORD)}
    theirs = {name: facts.get(name) for name in mine} if isinstance(facts, dict) else {}
    if theirs != mine:
        told = [f"{name} {theirs.get(name)}, here {mine[name]}" for name in mine if theirs.get(name) != mine[name]]
        raise UserError(
            f"The hash pack {path} is of another version ({'; '.join(told)}), so its hashes are not comparable: make "
            "it again from its sets with --pack."
        )
    if fault := first_fault("hash_pack", facts):
        raise _damaged(path, fault)
    return dict(facts)


def _fault(table: "pa.Table", names: set[str]) -> str | None:
    """What is wrong with rows that a pack holds, in words."""
    import polars as pl

    frame = pl.DataFrame(pl.from_arrow(table))
    pattern = load_schema(RECORD)["properties"]["normalised_text_hash"]["pattern"]
    begins = ((pl.col("ngrams").list.max() != 0) | (pl.col("ngrams").list.min() != 0)).fill_null(value=False)
    whole = {
        "a set that it does not name": pl.col("set").is_in(list(names)),
        "a role that is neither query nor document": pl.col("role").is_in(["query", "document"]),
        "a text without an id": pl.col("evaluation_id").str.len_chars() > 0,
        "a hash that is none": pl.col("normalised_text_hash").str.contains(pattern),
        "other n-grams than its words have": pl.col("ngrams").list.len() == (pl.col("words") - 7).clip(0),
        "a MinHash of another length": pl.col("minhash").list.len() == pl.when(begins).then(MINHASHES).otherwise(0),
    }
    holds = frame.select(rule.all().alias(name) for name, rule in whole.items()).row(0, named=True)
    return next((f"it holds {name}" for name, is_so in holds.items() if not is_so), None)


def pieces(pack: HashPack, *, documents: bool = True) -> Iterator[Piece]:
    """The pack's texts, some thousands at a time; without documents the queries alone."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(pack.path) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, use_threads=False)
            table = table if documents else table.filter(pc.equal(table.column("role"), pa.scalar("query")))
            if len(table):
                yield _piece(table)


def _piece(table: "pa.Table") -> Piece:
    import numpy as np
    import polars as pl

    table = table.combine_chunks()
    lists: dict[str, Any] = {name: table.column(name).combine_chunks() for name in ("ngrams", "minhash")}
    flat = {name: np.asarray(array.flatten()) for name, array in lists.items()}
    sizes = {name: np.asarray(array.value_lengths()) for name, array in lists.items()}
    minhashes = np.zeros((len(table), MINHASHES), dtype=np.uint32)
    minhashes[sizes["minhash"] > 0] = flat["minhash"].view(np.uint32).reshape(-1, MINHASHES)
    rows = pl.DataFrame(pl.from_arrow(table.select(["set", "role", "evaluation_id", "normalised_text_hash"])))
    keys = TextKeys(
        rows["normalised_text_hash"].to_list(),
        np.asarray(table.column("words")),
        flat["ngrams"].view(np.uint64),
        np.concatenate([[0], np.cumsum(sizes["ngrams"])]).astype(np.int64),
        minhashes,
    )
    return Piece(rows, keys)
