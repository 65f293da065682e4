"""A writer of tasks and triplets that is no model: a reply is made of its request alone."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from builders.llm.engines import EngineOptions
from builders.llm.requests import Reply, Request
from builders.store.versions import Version
from builders.synthetic_triplets import SyntheticTriplets, main
from builders.text.hashes import generator, id_number
from tests.making import FakeEngine

WORDS = (
    "river stone copper lantern meadow signal harbour winter engine violet ladder orchard barley candle feather granite "
    "island kettle marble needle oyster pepper quarry ribbon saddle timber valley walnut anchor bridge castle desert"
).split()


def is_for_task(request: Request) -> bool:
    return "Field:" in request.messages[-1]["content"]


def task(seed: int) -> str:
    """A reply with a task of five words."""
    chosen = generator(seed, "", "task").sample(WORDS, 5)
    return json.dumps({"task": f"Find {' '.join(chosen)} texts."})


def triplet(seed: int) -> dict[str, str]:
    one, two = (generator(seed, "", name).sample(WORDS, 12) for name in ("one", "two"))
    sentence = (
        "The {} and the {} stand near the {}, where people keep {} and {} for the winter, with {} beside the road."
    )
    return {
        "query": f"where is the {one[6]} of the {one[7]} {seed}",
        "positive": sentence.format(*one[:6]),
        "hard_negative": sentence.format(*two[:6]).replace("The", "Every"),
    }


def write(request: Request) -> str:
    return task(request.seed) if is_for_task(request) else json.dumps(triplet(request.seed))


def reply_to(user: str) -> str:
    """The same of a user's turn alone, for a server."""
    seed = id_number(0, user)
    return task(seed) if "Field:" in user else json.dumps(triplet(seed))


def writer(change: Callable[[Request, dict[str, str]], Mapping[str, Any] | str | Reply]) -> FakeEngine:
    """Its tasks are as above; each triplet is what `change` makes of it."""

    def answer(request: Request) -> str | Reply:
        if is_for_task(request):
            return task(request.seed)
        given = change(request, triplet(request.seed))
        return json.dumps(given) if isinstance(given, Mapping) else given

    return FakeEngine(answer)


def written(data: Path, tokenizer: Path, engine: FakeEngine, **settings: Any) -> Version:
    """The judgements of a run with that engine, in English unless told otherwise."""
    given = {"tasks": 6, "languages": "en", "data": data, "tokenizer": str(tokenizer)} | settings
    version = main(SyntheticTriplets(llm=EngineOptions(engine="openai", model="fake"), **given), engine)
    assert version is not None
    return version
