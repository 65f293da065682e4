"""What a run is going to do, told before it does it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from builders.cli.progress import say

if TYPE_CHECKING:
    from drama_train.retriever import Retriever
    from drama_train.training.batches import BatchMaker
    from drama_train.training.mixture import Mixture
    from drama_train.training.plan import Plan
    from drama_train.training.streams import KindStream


def show_plan(facts: Mapping[str, Any], streams: "Sequence[KindStream]", plan: "Plan") -> None:
    """The releases, the share of each source and method, the steps and the objective."""
    rows = sum(len(one.stream.rows) for one in streams)
    titles = ", ".join(f"{release['name']} {release['release']}" for release in facts["releases"])
    say(f"{rows:,} rows of {titles}, by share of each step:")
    shares: dict[tuple[str, str], list[float]] = {}
    for one in streams:
        shares.setdefault((one.kind.source, one.kind.method), []).append(one.stream.weight)
    for (source, method), weights in shares.items():
        say(f"  {source:<24} {method:<11} {sum(weights):6.1%}  {len(weights)} languages")
    objective = plan.objective
    say(
        f"{plan.steps:,} steps of {plan.batch} queries x (1 + {plan.negatives}) documents, lr {plan.lr:g} after "
        f"{plan.warmup_steps} steps of warm-up, temperature {objective.temperature:g}, "
        f"dimensions {' '.join(map(str, objective.dims))}"
    )


def show_first_row(maker: "BatchMaker", mixture: "Mixture", retriever: "Retriever") -> None:
    """The texts of the first row as the model reads them."""
    batch = maker.make(mixture.next())
    documents = len(batch.document_tokens) // len(batch.query_tokens)
    tokens = sum(map(len, batch.query_tokens + batch.document_tokens))
    say(f"the first step has {tokens:,} tokens; its first row:")
    rows = [("query", batch.query_tokens[0])]
    rows += zip(("positive", "negative"), batch.document_tokens[:documents], strict=False)
    for what, ids in rows:
        say(f"  {what:<9} {retriever.tokenizer.decode(ids)!r}")
