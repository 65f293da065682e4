"""The headers of the SQL files: what they must say, and that each file is one SELECT that nothing else is hidden in."""

from pathlib import Path

import pytest

from builders.quality.headers import HERE, needed, prepared, read_check, read_checks

HEADER = {
    "name": "odd",
    "severity": "warning",
    "tables": "triplets, chunks",
    "examines": "triplets",
    "threshold": "0.1",
    "reason": "Because",
}


def written(folder: Path, sql: str = "SELECT 1", **changes: str | None) -> Path:
    header = {name: value for name, value in {**HEADER, **changes}.items() if value is not None}
    path = folder / "odd.sql"
    path.write_text("".join(f"-- {name}: {value}\n" for name, value in header.items()) + "--   it is odd.\n" + sql)
    return path


def test_a_header_is_read(tmp_path: Path) -> None:
    check = read_check(written(tmp_path, "SELECT 1 -- one", methods="qgen"))
    assert (check.name, check.severity, check.tables, check.methods) == (
        "odd",
        "warning",
        ("triplets", "chunks"),
        ("qgen it is odd.",),
    )
    check = read_check(written(tmp_path))
    assert (check.reason, check.threshold, check.examines) == (
        "Because it is odd.",
        0.1,
        "SELECT count(*) FROM triplets",
    )
    assert check.sql == "SELECT 1"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reason": None, "examines": None}, r"odd.sql: its header lacks \['examines', 'reason'\]"),
        ({"severety": "error"}, r"has \['severety'\] too many"),
        ({"name": "even"}, "its header names even"),
        ({"severity": "grave"}, "its severity grave is not one of error, warning"),
        ({"threshold": "1.5"}, "its threshold 1.5 is no share"),
        ({"severity": "error"}, "that of an error is not 0"),
    ],
)
def test_a_header_that_lacks_something_names_its_file(
    changes: dict[str, str | None], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=told):
        read_check(written(tmp_path, **changes))


def test_errors_come_first_and_say_why() -> None:
    checks = read_checks()
    order = [(check.severity, check.name) for check in checks]
    assert order == sorted(order) and {severity for severity, _ in order} == {"error", "warning"}
    for check in checks:
        assert len(check.reason) > 40 and check.tables
        assert ";" not in check.sql


def test_what_a_check_reads_is_told_from_its_words() -> None:
    tables = prepared()
    assert {"pairs", "chunk_facts", "alike_pairs"} <= set(tables)
    assert needed("SELECT 'pairs' FROM chunk_facts -- triplet_rows", tables) == ["chunk_facts"]
    read = set().union(*(needed(f"{check.examines} {check.sql}", tables) for check in read_checks()))
    read |= set().union(*(needed(sql, tables) for sql in tables.values()))
    assert read == set(tables)  # none is made for nothing


def test_every_file_is_found() -> None:
    assert {path.relative_to(HERE).parts[0] for path in HERE.rglob("*.sql") if path.parent != HERE} == {"prepare"}
