"""Reads the SQL files of this package: a header of comments that says what a check is, then one SELECT."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SEVERITIES = ("error", "warning")
_LINE = re.compile(r"-- (?:(?P<key>[a-z]+): |  )(?P<value>\S.*)")
_REQUIRED = {"name", "severity", "tables", "examines", "threshold", "reason"}
_OPTIONAL = {"methods"}


@dataclass(frozen=True)
class Check:
    """One check. `sql` selects the offending rows: version, key, detail. `examines` selects how many there are in all.

    `threshold` is the share of failing rows that passes. `methods` are those whose rows alone are examined: none of
    them there is no fault.
    """

    name: str
    severity: str
    tables: tuple[str, ...]
    examines: str
    threshold: float
    reason: str
    sql: str
    methods: tuple[str, ...] = ()


def read_checks(folder: Path = HERE) -> list[Check]:
    """Every check of the folder, errors first, then by name."""
    checks = [read_check(path) for path in folder.glob("*.sql")]
    return sorted(checks, key=lambda check: (SEVERITIES.index(check.severity), check.name))


def read_check(path: Path) -> Check:
    """ValueError that names the file where its header lacks something or says what it cannot mean."""
    header, sql = _parts(path)
    lacking, surplus = _REQUIRED - header.keys(), header.keys() - _REQUIRED - _OPTIONAL
    if lacking or surplus:
        raise ValueError(f"{path.name}: its header lacks {sorted(lacking)} and has {sorted(surplus)} too many.")
    if header["name"] != path.stem:
        raise ValueError(f"{path.name}: its header names {header['name']}.")
    if header["severity"] not in SEVERITIES:
        raise ValueError(f"{path.name}: its severity {header['severity']} is not one of {', '.join(SEVERITIES)}.")
    threshold = float(header["threshold"])
    if not 0 <= threshold < 1 or (threshold and header["severity"] == "error"):
        raise ValueError(f"{path.name}: its threshold {threshold:g} is no share below 1, or that of an error is not 0.")
    examines = header["examines"]
    return Check(
        header["name"],
        header["severity"],
        _words(header["tables"]),
        examines if " " in examines else f"SELECT count(*) FROM {examines}",  # noqa: S608 (our own file's)
        threshold,
        header["reason"],
        sql,
        _words(header.get("methods", "")),
    )


def prepared(folder: Path = HERE / "prepare") -> dict[str, str]:
    """{table: the SELECT that makes it}: what several checks read, made once."""
    return {path.stem: _parts(path)[1] for path in sorted(folder.glob("*.sql"))}


def needed(sql: str, tables: Iterable[str]) -> list[str]:
    """Which of the tables the SQL names."""
    words = set(re.findall(r"\w+", re.sub(r"'[^']*'|--.*", "", sql)))
    return [table for table in tables if table in words]


def _words(listed: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in listed.split(",") if word.strip())


def _parts(path: Path) -> tuple[dict[str, str], str]:
    """(header, SQL): the comments that the file begins with, and the rest. A line that is indented goes on."""
    header: dict[str, str] = {}
    key = ""
    lines = path.read_text().splitlines()
    rest = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    for line in lines[:rest]:
        found = _LINE.fullmatch(line)
        if found and found["key"]:
            key = found["key"]
            header[key] = found["value"]
        elif found and key:
            header[key] += " " + found["value"]
    return header, "\n".join(lines[rest:])
