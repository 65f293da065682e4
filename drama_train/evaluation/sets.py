"""What retrievers are measured on: queries, the documents they are searched in, and which document answers which."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

from builders.cli.errors import UserError
from builders.store.schemas import canonical

if TYPE_CHECKING:
    import polars as pl

    from drama_train.training.releases import Release

UNKNOWN = "und"  # ISO 639-2: the language is not stated
LIMITED_POOL = 10  # further documents a query, in a rehearsal
HARD_NEGATIVES = 5  # of each heldout row


@dataclass(frozen=True)
class EvaluationSet:
    """Queries, documents and judgements {query: {document: grade}}, relevant above 0, all by id.

    Every query has a text, a language and a relevant document. Where documents have languages, a query is searched
    among those of its own alone, as in MIRACL. UserError where that leaves a query nothing to be searched in.
    """

    name: str
    queries: Mapping[str, str]
    documents: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]
    languages: Mapping[str, str]
    """Of each query; und where it is not stated."""
    document_languages: Mapping[str, str] | None
    """Of each document; None where every query is searched among all documents."""
    revision: str
    """Changes when anything above does: a hash of the content, or the data's own version."""
    max_length: int | None = None
    """Tokens that must be read of a text for the set to mean anything; None where a model's own length will do."""
    without_own: bool = False
    """Whether a document that has the query's id is left out, unless it is judged: it is the query itself (ArguAna)."""
    notes: tuple[str, ...] = ()
    """What a reader of the scores should know, in words."""

    def __post_init__(self) -> None:
        if not self.judgements:
            raise UserError(f"{self.name} has no query with a relevant document: mend its judgements.")
        missing = [query for query in self.judgements if query not in self.queries]
        if missing:
            raise UserError(
                f"{self.name} judges {len(missing):,} queries without giving their texts, the first {missing[0]}: add "
                "them to its queries."
            )
        asked, known = set(self.judgements), set(self.languages)
        if not asked == set(self.queries) == known:
            odd = min((asked ^ set(self.queries)) | (asked ^ known))
            raise ValueError(f"{self.name}: queries, judgements and languages are not of the same queries, as {odd}")
        if not self.documents:
            raise UserError(f"{self.name} has no document: fill its corpus.")
        if self.document_languages is not None:
            there = set(self.document_languages.values())
            lost = Counter(language for language in self.languages.values() if language not in there)
            if lost:
                language, count = lost.most_common(1)[0]
                raise UserError(
                    f"{self.name} has {sum(lost.values()):,} queries in languages that no document is in, {count:,} of "
                    f"them in {language!r}: a query is searched among documents of its own language, so mend these, or "
                    "take the languages out of the corpus to search all of it."
                )

    @cached_property
    def pools(self) -> dict[str, tuple[list[str], list[str]]]:
        """{language: (its queries, the documents they are searched in)}, sorted; {"": all} without such languages."""
        if self.document_languages is None:
            return {"": (sorted(self.queries), sorted(self.documents))}
        found: dict[str, tuple[list[str], list[str]]] = {}
        for language in sorted(set(self.languages.values())):
            found[language] = (
                sorted(query for query, own in self.languages.items() if own == language),
                sorted(document for document, own in self.document_languages.items() if own == language),
            )
        return found

    def limited(self, limit: int) -> "EvaluationSet":
        """A rehearsal: `limit` queries, by turns of each language, what is judged for them, and 10 others a query."""
        if limit >= len(self.judgements):
            return self
        turns: Counter[str] = Counter()
        places: dict[str, tuple[int, str]] = {}
        for query in self.judgements:
            turns[self.languages[query]] += 1
            places[query] = (turns[self.languages[query]], query)
        kept = sorted(sorted(self.judgements, key=places.__getitem__)[:limit])
        wanted = {document for query in kept for document in self.judgements[query]}
        spoken = self.document_languages or dict.fromkeys(self.documents, "")
        room = Counter((self.languages[query] if self.document_languages else "") for query in kept)
        room = Counter({pool: LIMITED_POOL * queries for pool, queries in room.items()})
        for document in self.documents:
            if room[spoken[document]] > 0:
                room[spoken[document]] -= 1
                wanted.add(document)
        documents = {document: text for document, text in self.documents.items() if document in wanted}
        return replace(
            self,
            queries={query: self.queries[query] for query in kept},
            documents=documents,
            judgements={query: self.judgements[query] for query in kept},
            languages={query: self.languages[query] for query in kept},
            document_languages=self.document_languages and {document: spoken[document] for document in documents},
            revision=f"{self.revision}-first-{limit}",
            notes=(*self.notes, rehearsal(limit)),
        )


def heldout_set(release: "Release") -> EvaluationSet:
    """The release's heldout split: its queries, among the heldout chunks of the language of the query's own chunk.

    The best ranked negatives of its rows are searched too, whatever their split: heldout chunks alone are few, and
    each finds itself. A query that stands in several triplets has the positives of all. UserError where nothing is
    held out.
    """
    import polars as pl

    triplets = _read(release, "triplets", "heldout", ["query_id", "chunk_id", "positive_ids", "negative_ids"])
    if triplets is None:
        raise UserError(
            f"{release.place} holds nothing out to measure on: make its chunks again with `python -m builders.corpus "
            "--heldout 0.02`, and the release from them."
        )
    positives = triplets.explode("positive_ids").select("query_id", document="positive_ids").unique(maintain_order=True)
    judgements: dict[str, dict[str, int]] = {}
    for query, document in positives.iter_rows():
        judgements.setdefault(query, {})[document] = 1
    chunks = _read(release, "corpus", None, ["chunk_id", "language", "split", "text"])
    assert chunks is not None
    # A positive that was not held out, of a judged data set, say, is searched for all the same.
    hard = triplets["negative_ids"].list.head(HARD_NEGATIVES).explode()
    ranked = pl.concat([positives["document"], hard]).unique()
    kept = chunks.filter((pl.col("split") == "heldout") | pl.col("chunk_id").is_in(ranked.implode()))
    spoken = dict(kept.select("chunk_id", "language").iter_rows())
    own = dict(triplets.select("query_id", "chunk_id").iter_rows())
    queries = _read(release, "queries", None, ["query_id", "text"])
    assert queries is not None
    texts = dict(queries.filter(pl.col("query_id").is_in(list(judgements))).iter_rows())
    lost = sorted(d for found in judgements.values() for d in found if d not in spoken)
    lost += sorted(chunk for chunk in own.values() if chunk not in spoken)
    if lost:
        raise UserError(f"{lost[0]} is not among the corpus of {release.place}: make the release again.")
    languages = {query: spoken[own[query]] for query in judgements}
    outside = sum(spoken[d] != languages[query] for query, found in judgements.items() for d in found)
    notes = (unreachable(outside),) if outside else ()
    return EvaluationSet(
        name=f"{release.manifest['name']}-heldout",
        queries={query: text for query, text in texts.items() if query in judgements},
        documents=dict(kept.select("chunk_id", "text").iter_rows()),
        judgements=judgements,
        languages=languages,
        document_languages=spoken,
        revision=f"{release.title} {release.content_hash}, {HARD_NEGATIVES} negatives",
        notes=notes,
    )


def rehearsal(queries: int) -> str:
    """The note of a set that was limited."""
    return f"a rehearsal of {queries:,} queries: its scores are no result"


def unreachable(count: int) -> str:
    """The note for judged documents outside the query's pool."""
    return f"{count:,} judged documents are in another language than their query, so they count as not found"


def _read(release: "Release", table: str, split: str | None, columns: list[str]) -> "pl.DataFrame | None":
    import polars as pl

    files = release.files(table, split)
    return pl.read_parquet(files, columns=columns, glob=False) if files else None


def content_revision(parts: Iterable[object]) -> str:
    """A hash of JSON values, in their order."""
    digest = blake2b(digest_size=16)
    for part in parts:
        data = canonical(part)
        digest.update(len(data).to_bytes(8, "big") + data)
    return f"blake2b-{digest.hexdigest()}"
