"""Building a version: shards written one by one, a manifest last, and a resume that repeats no finished shard."""

import json
import multiprocessing
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.store.locks import locked
from builders.store.parquet import write_bytes, write_parquet
from builders.store.plans import Plan
from builders.store.provenance import provenance
from builders.store.schemas import canonical, reasons
from builders.store.versions import MANIFEST, PASSES, REJECTED, Version, read_version

if TYPE_CHECKING:
    import pyarrow as pa

    from builders.store.parquet import Rows


@dataclass
class ShardResult:
    """What a stage made of one input shard. `counts` are summed over shards into the manifest."""

    rows: list[dict[str, Any]]
    rejected: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    rows_in: int = 0


@dataclass(frozen=True)
class TableResult:
    """The same in columns, for a stage of millions of rows."""

    rows: "pa.Table"
    rejected: "pa.Table"
    counts: Counter[str]
    rows_in: int


@dataclass(frozen=True)
class Building:
    """An unfinished version's folder. Cheap to copy to a worker process; the lock stays with its opener."""

    folder: Path
    table: str
    record: str
    version: str

    def marker(self, shard: int) -> Path:
        return self.folder / "work" / f"{shard:05d}.json"

    def is_done(self, shard: int) -> bool:
        return self.marker(shard).exists()

    def counts(self, shard: int) -> Counter[str]:
        """The counts of a shard that is done."""
        return Counter(json.loads(self.marker(shard).read_bytes())["counts"])

    def write(self, shard: int, result: ShardResult | TableResult, seconds: float) -> None:
        """Write the shard's rows and rejections, then the marker that says that both are whole."""
        name = f"{shard:05d}.parquet"
        files = {name: write_parquet(self.folder / name, result.rows, self.record)}
        rejected = f"{REJECTED}/{name}"
        (self.folder / rejected).unlink(missing_ok=True)  # of a run that ended before its marker, and rejected more
        if len(result.rejected):
            files[rejected] = write_parquet(self.folder / rejected, result.rejected, "rejection")
        reasons = _by_reason(result.rejected)
        done = {
            "rows_in": result.rows_in,
            "rejected": dict(sorted(reasons.items())),
            "counts": dict(sorted(result.counts.items())),
            "seconds": round(seconds, 3),
            "files": files,
        }
        write_bytes(self.marker(shard), canonical(done))


def _by_reason(rejected: "Rows") -> Counter[str]:
    if isinstance(rejected, Sequence):
        return Counter(row["reason"] for row in rejected)
    return Counter(map(str, rejected.column("reason").to_pylist()))


def rejection(row_id: str, reason: str, detail: str, raw: str = "") -> dict[str, Any]:
    """A rejected row: the key it has or would have had, a named reason, the fault in words, and what was rejected.

    ValueError for a reason that schemas/rejection.schema.json does not name.
    """
    if reason not in reasons():
        raise ValueError(f"{reason} is not a reason of rejection.schema.json")
    return {"row_id": row_id, "reason": reason, "detail": detail, "raw": raw}


def already_built(plan: Plan, data: Path) -> Version | None:
    return read_version(data / plan.table / plan.version())


@contextmanager
def building(plan: Plan, data: Path) -> Iterator[Building]:
    """Open the plan's folder for writing; UserError where another run holds it."""
    folder = data / plan.table / plan.version()
    with locked(folder / "work" / "lock", f"{plan.table}/{plan.version()}"):
        write_bytes(folder / "work" / "plan.json", json.dumps(plan.identity(), indent=1, ensure_ascii=False).encode())
        yield Building(folder, plan.table, plan.record, plan.version())


def build_shards(
    made: Building,
    shards: int,
    make: Callable[[int], ShardResult | TableResult],
    *,
    processes: int = 1,
) -> tuple[int, Mapping[str, Any]]:
    """Make every shard that is not there yet, `make(i)` being a pure function of input shard i.

    With more than one process, `make` must be picklable. Returns what `build` wants of its `work`.
    """
    missing = [i for i in range(shards) if not made.is_done(i)]
    with Progress(made.table, shards, already=shards - len(missing)) as progress:
        if processes == 1 or len(missing) < 2:
            for i in missing:
                _make_one(made, make, i)
                progress.step()
        else:
            _make_in_processes(made, make, missing, processes, progress)
    return shards, {}


def _make_in_processes(
    made: Building,
    make: Callable[[int], ShardResult | TableResult],
    missing: list[int],
    processes: int,
    progress: Progress,
) -> None:
    # spawn: polars and pyarrow keep thread pools that a fork would inherit locked
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(missing)), context, _end_with_parent) as pool:
        futures = [pool.submit(_make_one, made, make, i) for i in missing]
        try:
            for future in as_completed(futures):
                future.result()
                progress.step()
        except BrokenProcessPool:
            raise UserError(
                f"A worker process of {made.table} was killed (out of memory, perhaps): what is finished is kept; run "
                "the same command again, with fewer --processes."
            ) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)  # waits: no worker may write once the lock is free
            raise


def _end_with_parent() -> None:
    """A worker does not notice that its parent was killed: it holds both ends of the queue that it waits at."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


def _make_one(made: Building, make: Callable[[int], ShardResult | TableResult], shard: int) -> None:
    start = time.perf_counter()
    result = make(shard)
    made.write(shard, result, time.perf_counter() - start)


def finish(plan: Plan, made: Building, shards: int, *, usage: Mapping[str, Any] | None = None) -> Version:
    """Write the manifest from the shards' markers, then drop the working files. From here on it is a version."""
    files, rejected, counts = [], Counter[str](), Counter[str]()
    rows_in, seconds = 0, 0.0
    content = blake2b(digest_size=16)
    for i in range(shards):
        done = json.loads(made.marker(i).read_bytes())
        rows_in += done["rows_in"]
        seconds += done["seconds"]
        rejected.update(done["rejected"])
        counts.update(done["counts"])
        for path, facts in sorted(done["files"].items()):
            files.append({"path": path, **facts})
            content.update(facts["content_hash"].encode())
    manifest = {
        "table": plan.table,
        "version": plan.version(),
        "stage": plan.stage,
        "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "rows": {
            "in": rows_in,
            "out": sum(f["rows"] for f in files if not f["path"].startswith(REJECTED)),
            "rejected": sum(rejected.values()),
            "rejected_by_reason": dict(sorted(rejected.items())),
        },
        "counts": dict(sorted(counts.items())),
        "usage": {"seconds": round(seconds, 3), **(usage or {})},
        "content_hash": content.hexdigest(),
        "identity": plan.identity(),
        "facts": dict(plan.facts) | ({"prompt_text": plan.prompt.text} if plan.prompt and plan.prompt.text else {}),
        "made_with": provenance(),
        "files": files,
    }
    for cut_short in [*made.folder.glob(".*"), *(made.folder / REJECTED).glob(".*")]:
        cut_short.unlink()  # the temporary file of a run that was killed
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    write_bytes(made.folder / MANIFEST, text.encode())
    _drop_work(made)
    return Version(made.folder, json.loads(text))


def _drop_work(made: Building) -> None:
    # A second run may be putting its lock there at this moment: it then finds the version, and drops the folder itself.
    shutil.rmtree(made.folder / "work", ignore_errors=True)


def build(plan: Plan, data: Path, work: Callable[[Building], tuple[int, Mapping[str, Any]]]) -> Version:
    """The plan's version: found if it is already built, else made by `work`, which writes the shards.

    `work` returns how many shards there are and the usage to keep in the manifest.
    """
    if (found := already_built(plan, data)) is not None:
        say(f"already built: {outcome(found)}")
        return found
    with building(plan, data) as made:
        if (found := already_built(plan, data)) is not None:  # another run finished it a moment ago
            _drop_work(made)
            say(f"already built: {outcome(found)}")
            return found
        shards, usage = work(made)
        version = finish(plan, made, shards, usage=usage)
        if plan.table not in PASSES:
            say(outcome(version))
        return version


def outcome(version: Version) -> str:
    """Rows, and rejected rows by reason, the most frequent first."""
    rows = version.manifest["rows"]
    told = f"{version}, {rows['out']:,} rows"
    if not rows["rejected"]:
        return told
    by_reason = sorted(rows["rejected_by_reason"].items(), key=lambda item: -item[1])
    return f"{told}, {rows['rejected']:,} rejected: " + ", ".join(f"{n:,} {reason}" for reason, n in by_reason)
