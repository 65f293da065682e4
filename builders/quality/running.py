"""Runs one check after the other on an open connection, and makes the tables that several of them read."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from builders.quality.failing_rows import FailingRows, first_rows
from builders.quality.headers import Check, needed
from builders.quality.schema_checks import OF_FINDINGS, ColumnCheck, counting_sql

if TYPE_CHECKING:
    import duckdb

BATCH = 50_000


@dataclass
class Runner:
    """`prepared` are the SELECTs of tables that are made when a check first reads them, and dropped after the last.

    `names` are those of the versions, by their numbers. `tell` is called with a check's name before it runs.
    """

    connection: "duckdb.DuckDBPyConnection"
    prepared: Mapping[str, str]
    names: Sequence[str]
    keep: Callable[[str, FailingRows], None]
    made: set[str] = field(default_factory=set)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, checks: Sequence[Check], runs: Callable[[Check], str | None]) -> Iterator[dict[str, Any]]:
        """An entry of quality.json for each. `runs` gives the status of a check that is not to be run: None runs it."""
        reads = {check.name: self._closure(f"{check.examines}\n{check.sql}") for check in checks}
        for number, check in enumerate(checks):
            if (status := runs(check)) is not None:
                yield entry(check, status=status)
                continue
            self._make(reads[check.name])
            start = time.monotonic()
            examined = self._number(check.examines)
            failing = self._failing(check.sql)
            seconds = time.monotonic() - start
            later = set().union(*(reads[one.name] for one in checks[number + 1 :]), set())
            for table in sorted(self.made - later):
                self.connection.execute(f"DROP TABLE {table}")
                self.made.remove(table)
            self.keep(check.name, failing)
            yield entry(check, examined, failing, seconds)

    def run_columns(self, checks: Sequence[ColumnCheck]) -> Iterator[dict[str, Any]]:
        """The same for the columns of one table: counted in one reading, and read again for those that offend."""
        start = time.monotonic()
        (row,) = self.connection.execute(counting_sql(checks)).fetchall()
        each = (time.monotonic() - start) / len(checks)
        for check, count in zip(checks, row[1:], strict=True):
            start = time.monotonic()
            failing = self._failing(check.sql()) if count else first_rows([], self.names)
            self.keep(check.name, failing)
            status = None if row[0] or check.record not in OF_FINDINGS else "not_run"
            yield column_entry(check, int(row[0]), failing, each + time.monotonic() - start, status=status)

    def _closure(self, sql: str) -> list[str]:
        """The prepared tables that the SQL reads, each after those that it is made of."""
        found: list[str] = []
        for table in needed(sql, self.prepared):
            found += [one for one in [*self._closure(self.prepared[table]), table] if one not in found]
        return found

    def _make(self, tables: Sequence[str]) -> None:
        for table in tables:
            if table not in self.made:
                start = time.monotonic()
                self.connection.execute(f"CREATE TABLE {table} AS {self.prepared[table]}")
                self.made.add(table)
                self.seconds[table] = round(time.monotonic() - start, 3)

    def _number(self, sql: str) -> int:
        ((number,),) = self.connection.execute(sql).fetchall()
        return int(number)

    def _failing(self, sql: str) -> FailingRows:
        return first_rows(self.connection.sql(sql).to_arrow_reader(BATCH), self.names)


def entry(
    check: Check,
    examined: int = 0,
    failing: FailingRows | None = None,
    seconds: float = 0.0,
    *,
    status: str | None = None,
    examples: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """An entry of quality.json. A check that examined nothing has failed, and so has one above its threshold."""
    count = failing.count if failing else 0
    told = "failed" if not examined or count > check.threshold * examined else "passed"
    return {
        "name": check.name,
        "severity": check.severity,
        "tables": list(check.tables),
        "reason": check.reason,
        "threshold": check.threshold,
        "status": status or told,
        "examined": examined,
        "failing": count,
        "seconds": round(seconds, 3),
        "examples": failing.examples() if failing else list(examples),
    }


def column_entry(
    check: ColumnCheck, examined: int, failing: FailingRows, seconds: float, *, status: str | None = None
) -> dict[str, Any]:
    as_check = Check(check.name, "error", check.tables, "", 0.0, check.reason, "")
    return entry(as_check, examined, failing, seconds, status=status)
