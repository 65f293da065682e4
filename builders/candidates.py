"""queries x chunks -> candidates: a retriever ranks the chunks for each query (DRAMA 3.1, LLM_ret)."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from builders.cli.command import run
from builders.cli.errors import UserError
from builders.cli.progress import say
from builders.retrieval.encoders import EncoderOptions

if TYPE_CHECKING:
    from builders.retrieval.encoders import Encoder
    from builders.store.plans import Plan
    from builders.store.versions import Version
    from builders.text.queries import Sample

STAGE = "builders.candidates"
REVISION = 1


@dataclass(frozen=True)
class Candidates:
    """Rank chunks for each query.

    Example: python -m builders.candidates --retriever fused --within language
    """

    queries: str | None = None
    """The version of queries to search for; the latest where it is not given. Its own chunks are searched."""
    data: Path = Path("data")
    """The folder of all tables."""
    retriever: Literal["dense", "bm25", "fused"] = "dense"
    """dense: a model's vectors; bm25; fused: both, by reciprocal rank. BM25 is the better one where the model is small
    and the language is not English."""
    k: int = 50
    """Candidates of a query (DRAMA: 50)."""
    within: Literal["language", "source"] | None = None
    """Give a query only chunks of its own language, or of its own source."""
    titles: bool = False
    """Put a chunk's title before its text, on a line of its own."""
    ann: Literal["hnsw", "ivf"] | None = None
    """Search by a faiss index instead of exactly; its recall is measured on a sample and kept."""
    effort: int = 128
    """hnsw's efSearch, ivf's nprobe: more finds more and takes longer."""
    memory: float = 1.0
    """GB that the search may use beside the vectors, which are mapped."""
    seed: int = 0
    """Seed of the sample."""
    limit: int | None = None
    """Search for a seeded sample of so many queries only (a rehearsal)."""
    dry_run: bool = False
    """Show what would be encoded and searched, and do neither."""
    retrieval: EncoderOptions = field(default_factory=EncoderOptions)
    """The model of dense and fused."""

    def __post_init__(self) -> None:
        for name in ("k", "effort", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name} {value} finds nothing: give 1 or more.", exit_code=2)
        if not 0.01 <= self.memory < float("inf"):
            raise UserError(f"--memory {self.memory:g} is too little to search in: give 0.01 or more.", exit_code=2)
        if self.ann and self.retriever != "dense":
            raise UserError(f"--ann is not used by --retriever {self.retriever}: leave it out.", exit_code=2)


def main(config: Candidates, encoder: "Encoder | None" = None) -> "Version | None":
    """Vectors of both sides, each text encoded once; then the search, shard by shard of the queries."""
    from builders.retrieval.encoders import make_encoder
    from builders.retrieval.mining import Mining
    from builders.retrieval.mining_statistics import print_mining
    from builders.store.building import build
    from builders.store.versions import find_version, latest_version
    from builders.text.queries import choose_sample

    given = config.queries
    queries = find_version(config.data, given, table="queries") if given else latest_version(config.data, "queries")
    chunks = next(v for v in queries.inputs() if v.table == "chunks")
    sample = choose_sample(queries, config.limit, config.seed)
    needed = config.retriever != "bm25"
    used = (encoder or make_encoder(config.retrieval)) if needed else None
    try:
        plan = _plan(config, queries, chunks, used)
        if config.dry_run:
            _show(config, queries, chunks, sample, plan)
            return None
        mining = Mining(config, queries, chunks, sample, used, str(plan.facts["retriever"]))
        version = build(plan, config.data, mining.write)
    finally:
        if used is not None and encoder is None:
            used.close()
    print_mining(version)
    return version


def _plan(config: Candidates, queries: "Version", chunks: "Version", encoder: "Encoder | None") -> "Plan":
    """Everything that determines the rows; what only makes the search faster does not."""
    from builders.retrieval.retrievers import retriever_name
    from builders.store.plans import Plan

    settings: dict[str, Any] = {
        "retriever": config.retriever,
        "k": config.k,
        "within": config.within,
        "titles": config.titles,
        "limit": config.limit,
        "ann": [config.ann, config.effort] if config.ann else None,
    }
    model = None
    if encoder is not None:
        settings |= {"query": encoder.identity("query"), "document": encoder.identity("document")}
        model = {"id": encoder.model.id, "revision": encoder.model.revision}
    named = retriever_name(config.retriever, f"{model['id']}@{model['revision']}" if model else "")
    return Plan(
        "candidates",
        "candidates",
        STAGE,
        REVISION,
        settings,
        inputs=(queries, chunks),
        model=model,
        seed=config.seed if config.limit else None,
        facts={"retriever": named},
    )


def _show(config: Candidates, queries: "Version", chunks: "Version", sample: "Sample", plan: "Plan") -> None:
    from builders.store.versions import read_column

    ids = [i for shard in queries.shards() for i in read_column(shard, "query_id") if i in sample]
    if not ids:
        raise UserError(f"{queries} holds no query to search for: make queries first.")
    documents = chunks.manifest["rows"]["out"]
    say(f"{len(ids):,} queries of {queries}, the first {ids[0]}")
    say(f"{documents:,} chunks of {chunks}, by {plan.facts['retriever']}, {config.k} candidates a query")
    if config.retriever != "bm25":
        say("texts that have a vector of this model already are not encoded again")


if __name__ == "__main__":
    sys.exit(run(Candidates, main))
