"""The page's file: what is in it, what is left out and said so, and that it asks for nothing."""

import base64
import gzip
import html
import json
import re
import shutil
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.cards import page_tables
from builders.cards.page import PARTS, SCRIPTS, write_page
from builders.cards.page_sample import fair_shares
from builders.cli.errors import UserError
from builders.store.version_sets import VersionSet, version_set
from builders.store.versions import Version, find_version
from tests.browser.making import LONG, one_chunk, one_query, one_triplet, release, write
from tests.cards.page_making import page_facts
from tests.making import rows_of
from tests.triplet_making import make


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> VersionSet:
    return version_set(release(tmp_path_factory.mktemp("released")))


def data_of(path: Path) -> dict[str, list[Any]]:
    """{name: contents} of the blocks of data."""
    found: dict[str, list[Any]] = {}
    for name, content in re.findall(r'data-name="(\w+)">([^<]*)</script>', path.read_text()):
        found.setdefault(name, []).append(json.loads(gzip.decompress(base64.b64decode(content))))
    (listed,), (index,) = found["list"], found["index"]
    assert not listed["rows"].keys() & index["rows"].keys()
    found["index"] = [listed | index | {"rows": listed["rows"] | index["rows"]}]
    return found


def written(path: Path, versions: VersionSet, **settings: Any) -> dict[str, Any]:
    write_page(path, page_facts(versions), versions, **settings)
    return data_of(path)


def texts_of(data: dict[str, Any]) -> list[str | None]:
    """The text of each chunk by number; None where it is not on the page."""
    index = data["index"][0]
    texts = [text for block in data["chunks"] for text in block]
    assert len(texts) == index["said"]["texts"]
    known = len(index["chunks"]["id"])
    first = [index["chunks"]["same_text"].get(str(number), number) for number in range(known)]
    return [texts[number] if number < len(texts) else None for number in first]


def value(column: dict[str, Any], at: int) -> Any:
    return column["values"][column["codes"][at]]


def test_the_page_holds_the_rows_as_the_tables_do(released: VersionSet, tmp_path: Path) -> None:
    data = written(tmp_path / "report.html", released)
    index, texts = data["index"][0], texts_of(data)
    queries = [text for block in data["queries"] for text in block]
    chunks = {row["chunk_id"]: row for row in rows_of(released.of("chunks")[0])}
    asked = {row["query_id"]: row for row in rows_of(released.of("queries")[0])}
    expected = {row["triplet_id"]: row for version in released.named for row in rows_of(version)}
    rows = index["rows"]
    assert sorted(rows["id"]) == sorted(expected)
    assert index["chunks"]["same_text"] == {}  # no text here is that of two chunks
    for at, row_id in enumerate(rows["id"]):
        row = expected[row_id]
        for name in ("method", "language", "source", "split", "retriever", "judge", "ranking"):
            assert value(rows[name], at) == row[name]
        query = asked[row["query_id"]]
        number = rows["query"][at]
        assert queries[number] == query["text"]
        assert data["replies"][0][number] == query["reply"]
        assert value(index["queries"]["prompt"], number) == query["prompt_version"]
        assert index["documents"]["id"][index["queries"]["document"][number]] == row["document_id"]
        for side in ("positive", "negative"):
            numbers = rows[f"{side}s"][at]
            assert [index["chunks"]["id"][n] for n in numbers] == row[f"{side}_ids"]
            assert [texts[n] for n in numbers] == [chunks[i]["text"][:4_000] for i in row[f"{side}_ids"]]
            assert rows[f"{side}_ranks"][at] == row[f"{side}_ranks"]
            assert rows[f"{side}_scores"][at] == row[f"{side}_scores"]
    assert max(index["chunks"]["length"]) == LONG
    judged = {row["query_id"]: row for row in rows_of(released.of("preferences")[0])}
    assert len(index["orders"]) == len(judged) == 40
    for at, order in index["orders"].items():
        row = judged[asked_id(index, int(at))]
        assert [index["chunks"]["id"][n] for n in rows["ordered"][at]] == row["chunk_ids"]
        assert order["replies"] == row["replies"]


def asked_id(index: dict[str, Any], row: int) -> str:
    return str(index["queries"]["id"][index["rows"]["query"][row]])


def test_the_page_of_what_the_stages_made(searched: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(searched, tmp_path / "data"))
    versions = version_set([make(data)])
    page = written(tmp_path / "report.html", versions)
    rows = [row for version in versions.of("triplets") for row in rows_of(version)]
    assert sorted(page["index"][0]["rows"]["id"]) == sorted(row["triplet_id"] for row in rows)
    assert None not in texts_of(page)
    assert page["index"][0]["said"]["levels"] is None
    own = {str(at): [row["own_rank"], len(row["chunk_ids"])] for at, row in _candidates(versions, page)}
    assert page["index"][0]["candidates"] == own
    assert str(tmp_path) not in (tmp_path / "report.html").read_text()
    assert str(tmp_path) not in json.dumps(page)


def _candidates(versions: VersionSet, page: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    by_query = {row["query_id"]: row for row in rows_of(versions.of("candidates")[0])}
    ids = page["index"][0]["rows"]["id"]
    return [(at, by_query[row_id.rpartition("+")[0]]) for at, row_id in enumerate(ids)]


def test_texts_of_far_negatives_go_first_then_rows_and_the_page_says_so(released: VersionSet, tmp_path: Path) -> None:
    whole = tmp_path / "whole.html"
    all_rows = written(whole, released)["index"][0]["said"]
    assert all_rows["levels"] is None
    size = whole.stat().st_size
    seen = []
    for limit in (size, size - 500, size - 2_000, size - 9_000):
        data = written(tmp_path / "less.html", released, bytes_limit=limit)
        index = data["index"][0]
        assert (tmp_path / "less.html").stat().st_size <= limit
        said, texts = index["said"], texts_of(data)
        assert said["triplets"] == 160
        seen.append((len(index["rows"]["id"]), said["levels"]))
        for positives, negatives in zip(index["rows"]["positives"], index["rows"]["negatives"], strict=True):
            assert None not in [texts[n] for n in positives]
            if said["levels"] is not None:
                assert None not in [texts[n] for n in negatives[: said["levels"]]]
    assert seen == sorted(seen, key=lambda one: (-one[0], -99 if one[1] is None else -one[1]))
    assert seen[-1][0] < 160
    with pytest.raises(UserError, match="holds not one row"):
        write_page(tmp_path / "none.html", page_facts(released), released, bytes_limit=20_000)


def test_a_sample_shows_every_stratum_and_a_smaller_one_is_part_of_it(released: VersionSet, tmp_path: Path) -> None:
    some = written(tmp_path / "some.html", released, rows=60)["index"][0]
    fewer = written(tmp_path / "fewer.html", released, rows=40)["index"][0]
    expected = [row for version in released.named for row in rows_of(version)]
    strata = Counter((row["method"], row["language"], row["source"]) for row in expected)
    rows = some["rows"]
    drawn = Counter(
        tuple(value(rows[name], at) for name in ("method", "language", "source")) for at in range(len(rows["id"]))
    )
    assert len(rows["id"]) == sum(fair_shares(strata, 60).values())
    assert drawn == Counter({stratum: n for stratum, n in fair_shares(strata, 60).items() if n})
    assert set(fewer["rows"]["id"]) < set(rows["id"])
    assert some["said"]["triplets"] == len(expected) == 160


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.tuples(st.text(), st.text(), st.text()), st.integers(1, 1000), max_size=12), st.integers(0, 2000)
)
def test_fair_shares(counts: dict[tuple[str, str, str], int], rows: int) -> None:
    shares = fair_shares(counts, rows)
    assert sum(shares.values()) == min(rows, sum(counts.values()))
    assert all(0 <= shares[stratum] <= count for stratum, count in counts.items())
    cut = [share for stratum, share in shares.items() if share < counts[stratum]]
    assert not cut or max(shares.values()) - min(cut) <= 1  # nobody who wants more gets less than another


def test_the_same_release_is_the_same_bytes(released: VersionSet, tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(tmp_path / name, released, rows=50)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_text_that_two_chunks_share_is_there_once(released: VersionSet, tmp_path: Path) -> None:
    texts = ["the same words"] * 3 + [f"other words {n}" for n in range(6)]
    chunks = [one_chunk(f"notes/{n}", "notes", "en", text, "train") for n, text in enumerate(texts)]
    queries = [one_query(chunk, "sent", f"query {chunk['chunk_id']}") for chunk in chunks]
    c = write(tmp_path, "chunks", "chunk", chunks, ())
    q = write(tmp_path, "queries", "query", queries, (c,))
    ids = [chunk["chunk_id"] for chunk in chunks]
    row = queries[0] | {"retriever": "r", "own_rank": 1, "chunk_ids": ids, "scores": [0.5] * 9}
    triplet = one_triplet(row, "candidates/none") | {"negative_ids": [*ids[2:4], "notes/lost#0000"]}
    t = write(tmp_path, "triplets", "triplet", [triplet | {"positive_scores": [None]}], (q, c))
    page = written(tmp_path / "report.html", version_set([t]))
    index = page["index"][0]
    assert [text for block in page["chunks"] for text in block].count("the same words") == 1
    assert texts_of(page).count("the same words") == 2
    assert index["rows"]["lost"] == ["notes/lost#0000"]
    assert index["rows"]["negatives"][0][-1] == len(index["chunks"]["id"])


def test_what_others_found_of_a_row_stands_by_it(released: VersionSet, tmp_path: Path) -> None:
    row = rows_of(released.named[0])[0]
    negative = row["negative_ids"][1]
    said = [
        {"by": "cross-encoder m@1", "score": 0.9, "relevant": True},
        {"by": "bm25", "score": 0.1, "relevant": False},
    ]
    opinion = {"triplet_id": row["triplet_id"], "chunk_id": negative, "verdict": "split", "opinions": said}
    common = {"set": "facts", "role": "query", "evaluation_id": "q7", "match": "ngram", "share": 0.75}
    both = [("query", row["query_id"]), ("positive", row["positive_ids"][0])]
    found = [
        written_by_hand(tmp_path, "opinions", [opinion]),
        written_by_hand(tmp_path, "contamination", [{"kind": kind, "row_id": i} | common for kind, i in both]),
    ]
    page = written(tmp_path / "report.html", VersionSet(released.named, (*released.versions, *found)))
    index = page["index"][0]
    number = str(index["rows"]["id"].index(row["triplet_id"]))
    assert index["opinions"] == {number: [[index["chunks"]["id"].index(negative), "split", said]]}
    rest = list(common.values())
    positive = index["chunks"]["id"].index(row["positive_ids"][0])
    assert sorted(index["overlaps"][number], key=str) == sorted([[positive, *rest], [None, *rest]], key=str)


def written_by_hand(folder: Path, table: str, rows: list[dict[str, Any]]) -> Version:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / table / "00000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    identity = {
        "inputs": [],
        "prompt": None,
        "model": None,
        "config": {},
        "sampling": None,
        "seed": None,
        "record": table,
    }
    counted = {"in": len(rows), "out": len(rows), "rejected": 0, "rejected_by_reason": {}}
    manifest = {"table": table, "version": "x", "stage": "tests", "rows": counted, "counts": {}, "usage": {}}
    return Version(path.parent, manifest | {"identity": identity, "files": [{"path": path.name}]})


def test_the_policy_names_the_script_and_the_style_of_the_page(released: VersionSet, tmp_path: Path) -> None:
    written(tmp_path / "report.html", released, rows=10)
    page = (tmp_path / "report.html").read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    directives = dict(one.split(" ", 1) for one in html.unescape(policy).split("; "))
    for name, pattern in (
        ("script-src", r'<script type="module" async>(.*?)</script>'),
        ("style-src", r"<style>(.*)</style>"),
    ):
        (text,) = re.findall(pattern, page, re.DOTALL)
        assert directives[name] == f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
    assert directives["default-src"] == directives["base-uri"] == directives["form-action"] == "'none'"


def test_the_script_makes_no_markup_of_data_and_names_no_other_place() -> None:
    assert {path.stem for path in PARTS.glob("*.js")} == set(SCRIPTS)
    for path in PARTS.iterdir():
        text = path.read_text()
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            r"\beval\(",
            r"Function\(",
            r"\bfetch\(",
            r"import\(",
            "<!--",
        ):
            assert not re.search(word, text) or path.suffix == ".html", (path.name, word)
        assert set(re.findall(r"https?://[^\"]*", text)) <= {"http://www.w3.org/2000/svg"}
        assert path.suffix == ".html" or "</s" not in text
        assert len(text.splitlines()) <= 300


def test_where_nothing_is_named_the_last_triplets_are_shown(released: VersionSet) -> None:
    (first, second) = released.named
    assert page_tables.released_triplets(released) == [first, second]
    behind = VersionSet((released.of("chunks")[0],), released.versions)
    assert page_tables.released_triplets(behind) == [first, second]


def test_a_shard_that_is_gone_is_named(tmp_path: Path) -> None:
    versions = version_set(release(tmp_path / "data"))
    versions.of("chunks")[0].shards()[0].unlink()
    with pytest.raises(UserError, match=r"The shard .*00000.parquet of chunks/.* is missing"):
        write_page(tmp_path / "report.html", page_facts(find_set(versions)), versions)


def find_set(versions: VersionSet) -> VersionSet:
    """A set of the same names without the chunks, whose shard is gone."""
    left = tuple(v for v in versions.versions if v.table != "chunks")
    assert find_version(left[0].folder.parent.parent, str(left[0])) is not None
    return VersionSet(versions.named, left)
