"""The configs whose rows stand in tables (corpus, queries, triplets): copied by columns, each row once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.progress import Progress
from builders.releases.choice import Chosen
from builders.releases.redaction import MACHINERY, redacted_text
from builders.releases.repeats import Repeats, find_repeats
from builders.releases.shards import Shards, split_facts
from builders.store.schemas import arrow_schema, schema_hash
from builders.store.versions import Version, read_table

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SPLITS = ("train", "heldout")


@dataclass(frozen=True)
class ConfigRows:
    """The rows of one config: its versions, and those rows that a later version repeats."""

    config: str
    versions: list[Version]
    repeats: Repeats

    @property
    def record(self) -> str:
        return self.versions[0].record

    def tables(self) -> "Iterator[tuple[str, pa.Table]]":
        """(split, its rows of a shard), in the order of versions and shards."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for number, version in enumerate(self.versions):
            for shard in version.shards():
                table = self.repeats.without(read_table(shard), number)
                for split in SPLITS:
                    part = table.filter(pc.equal(table.column("split"), pa.scalar(split)))
                    if len(part):
                        yield split, part

    def counts(self) -> dict[str, int]:
        """{split: rows}, those with rows alone."""
        counts = dict.fromkeys(SPLITS, 0)
        for number, version in enumerate(self.versions):
            for shard in version.shards():
                table = self.repeats.without(read_table(shard, [self.repeats.key, "split"]), number)
                for split in table.column("split").to_pylist():
                    counts[str(split)] += 1
        return {split: count for split, count in counts.items() if count}


def config_rows(chosen: Chosen, config: str, connection: "duckdb.DuckDBPyConnection") -> ConfigRows:
    """UserError where two versions hold other rows under one key: they do not belong together."""
    versions = chosen.rows_of(config)
    return ConfigRows(config, versions, find_repeats(versions, connection))


def write_config(rows: ConfigRows, folder: Path) -> dict[str, Any]:
    """Write the splits of the config, and return what the manifest says of it."""
    written = {split: Shards(folder, rows.config, split) for split in SPLITS}
    schema = arrow_schema(rows.record)
    total = sum(version.manifest["rows"]["out"] for version in rows.versions)
    with Progress(rows.config, total, unit="rows") as progress:
        for split, table in rows.tables():
            written[split].write(without_paths(table.select(schema.names).cast(schema)))
            progress.step(len(table))
    for shards in written.values():
        shards.close()
    return {
        "record": rows.record,
        "schema": schema_hash(rows.record),
        "splits": {split: split_facts(shards) for split, shards in written.items() if shards.files},
    }


def without_paths(table: "pa.Table") -> "pa.Table":
    """The table with paths taken out of the columns that name a model."""
    import pyarrow as pa

    for name in MACHINERY:
        if name not in table.column_names:
            continue
        column = table.column(name).combine_chunks().dictionary_encode()
        known = column.dictionary.to_pylist()
        if (told := [redacted_text(str(value)) for value in known]) != known:
            values = pa.array(told, pa.string()).take(column.indices)
            table = table.set_column(table.column_names.index(name), table.schema.field(name), values)
    return table
