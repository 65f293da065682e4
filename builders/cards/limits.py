"""What a reader has to know before using a release: limits that follow from its facts, in sentences."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from builders.cards.markdown import percent

# Below so many training rows a language or a method is shown to work at most.
FEW = 100
# A false-negative rate that training notices: RLHN (arXiv 2505.16967) gains by relabelling sets of some per cent.
NOTABLE_RATE = 0.05
# Own chunks that a retriever should find among its first 50, and those of one language among its first 10.
FOUND_IN_50, FOUND_IN_10 = 0.9, 0.5
# A judge that orders the same candidates so differently when asked again decides by chance in part.
STEADY = 0.5
MOST_REJECTED = 0.5
# Agreement of two opinions below this is called slight (Landis and Koch, 1977).
SLIGHT = 0.2

Facts = Mapping[str, Any]


def limits(facts: Facts) -> list[str]:
    """Plain text: it holds names, so a page escapes it."""
    found = (_checks, _audit, _contamination, _sizes, _retrieval, _judges, _truncation, _rejections)
    return [sentence for part in found for sentence in part(facts)]


def _checks(facts: Facts) -> Iterator[str]:
    checks = facts["quality"]["checks"]
    for check in checks:
        if check["status"] == "failed":
            share = percent(check["failing"] / check["examined"]) if check["examined"] else "all"
            rows = f"{check['failing']:,} rows ({share} of those examined)"
            yield f"The check {check['name']} failed on {rows}: {check['reason']}"
    # that nothing was compared or audited is said below
    told = {"contamination", "opinions"}
    if left := [c["name"] for c in checks if c["status"] == "not_run" and not told & set(c["tables"])]:
        yield f"Not checked, for want of the tables: {', '.join(left)}."


def _audit(facts: Facts) -> Iterator[str]:
    if not facts["audit"]:
        yield "No second opinion was asked about negatives or positives: how many of them are wrong is not known."
    for audit in facts["audit"]:
        for stratum in audit["strata"]:
            if stratum["by"] == "all" and stratum["wrong"] >= NOTABLE_RATE:
                of = (
                    "negatives answer" if stratum["side"] == "negative" else "positives beside own chunks do not answer"
                )
                yield f"By the audit {percent(stratum['wrong'])} of the {of} their query."
        if audit["kappa"] is not None and audit["kappa"] < SLIGHT:
            yield (
                f"The two opinions of the audit agree little more than by chance (Cohen's kappa {audit['kappa']:.2f}): "
                "one of them, at least, cannot tell, and its rates say little."
            )


def _contamination(facts: Facts) -> Iterator[str]:
    if not facts["contamination"]:
        yield "It was compared with no evaluation set: an evaluation may hold texts that are in it."
    for found in facts["contamination"]:
        if rows := found["rows"]:
            left = "were dropped" if found["policy"] == "drop" else "are still in it"
            yield f"{rows:,} training rows share a text with an evaluation set; they {left}."


def _sizes(facts: Facts) -> Iterator[str]:
    languages = facts["languages"]
    if len(languages) == 1:
        yield f"It is of one language, {languages[0]['code']}."
    elif few := [f"{row['code']} ({row['triplets']:,})" for row in languages if row["triplets"] < FEW]:
        yield f"Languages of fewer than {FEW} training rows: {', '.join(few)}."
    few = [f"{row['name']} ({row['triplets']:,})" for row in facts["methods"] if row["triplets"] < FEW]
    if few:
        yield f"Methods of fewer than {FEW} training rows, too few to learn from: {', '.join(few)}."
    for config in facts["configs"]:
        if "heldout" not in [split["name"] for split in config["splits"] if split["rows"]]:
            yield f"The config {config['name']} has no held-out split."


def _retrieval(facts: Facts) -> Iterator[str]:
    by_version: defaultdict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in facts["retrieval"]:
        by_version[row["version"], row["retriever"], row["method"]].append(row)
    for (_, retriever, method), rows in by_version.items():
        queries = sum(row["queries"] for row in rows)
        share = sum(row["in_50"] * row["queries"] for row in rows) / queries
        what = f"The retriever {retriever} does not find the own chunk of {percent(1 - share)} of {method} queries"
        if share < FOUND_IN_50:
            yield f"{what} among its first 50, so that its ranks, and positives by rank, are guesses there."
        if weak := [f"{row['language']} ({percent(row['in_10'])})" for row in rows if row["in_10"] < FOUND_IN_10]:
            yield (
                f"Languages in which {retriever} finds fewer than {percent(FOUND_IN_10)} of the own chunks of {method} "
                f"queries among its first 10: {', '.join(weak)}."
            )


def _judges(facts: Facts) -> Iterator[str]:
    for row in facts["distributions"]["agreement"]:
        judge = f"The judge {row['model']} ({row['preference_method']})"
        if row["rank_agreement"] is None:
            yield f"{judge} was asked once for each query: how steady its order is is not known."
        elif row["rank_agreement"] < STEADY:
            yield f"{judge} agrees little with itself when asked again (Kendall's tau {row['rank_agreement']:.2f})."


def _truncation(facts: Facts) -> Iterator[str]:
    for stage in facts["stages"]:
        for what in ("chunks", "queries"):
            cut, read = (stage["usage"].get(f"{what}_{name}") or 0 for name in ("truncated", "encoded"))
            if cut:
                yield (
                    f"The retriever of {stage['table']}/{stage['version']} read only the beginning of {cut:,} of the "
                    f"{read:,} {what} that it encoded."
                )


def _rejections(facts: Facts) -> Iterator[str]:
    for stage in facts["stages"]:
        asked = stage["rejected"] + stage["rows_out"]
        if asked and stage["rejected"] / asked > MOST_REJECTED:
            name = f"{stage['table']}/{stage['version']}"
            share = percent(stage["rejected"] / asked)
            yield f"Of the rows of {name} {share} were rejected: what is left is a selection."
