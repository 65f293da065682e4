"""What a user calls a system (`bm25`, `minilm`, `smollm2:layers=4`, a run, a folder, a Hub id), and what it names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from builders.cli.errors import UserError
from builders.cli.names import nearest
from builders.llm import smollm2
from builders.retrieval import minilm
from drama_train.loading import model_folder
from drama_train.retriever import SETTINGS_FILE
from drama_train.training.encoder import Attention, Pooling

Kind = Literal["bm25", "retriever", "sentence-transformers"]
BM25 = "bm25"
_OPTIONS = re.compile(r"(?P<rest>.+):(?P<options>[a-z_]+=[^:/]*)")


@dataclass(frozen=True)
class Options:
    """What may stand after a colon, as in smollm2:layers=4,pooling=eos. None: as the model is."""

    layers: int | None = None
    attention: Attention | None = None
    pooling: Pooling | None = None


@dataclass(frozen=True)
class Spec:
    """name: what tables call it; source: what to load (a folder, a Hub id, smollm2, minilm or bm25)."""

    name: str
    kind: Kind
    source: str
    options: Options = Options()


def read_specs(given: Sequence[str]) -> list[Spec]:
    """[NAME=]SOURCE[:OPTION=VALUE,...] of each. UserError where one names nothing, or two have one name."""
    specs = [_spec(one) for one in given]
    for at, spec in enumerate(specs):
        if any(spec.name == other.name for other in specs[:at]):
            raise UserError(
                f"Two systems are called {spec.name}: name one of them otherwise, as in OTHER={given[at]}.", exit_code=2
            )
    return specs


def _spec(given: str) -> Spec:
    split = _OPTIONS.fullmatch(given)
    rest, options = (split["rest"], _options(split["options"], given)) if split else (given, Options())
    name, equals, source = rest.partition("=")
    if not equals or "/" in name:
        name, source = "", rest
    if not source or (equals and not name and source != rest):
        raise UserError(f"{given!r} names no system: give a model, {BM25}, or NAME=MODEL.", exit_code=2)
    kind = _kind(source)
    if kind != "retriever" and options != Options():
        raise UserError(f"{given} has options, which {source} does not take: leave them out.", exit_code=2)
    return Spec(name or _own_name(source, split and split["options"]), kind, model_folder(source), options)


def _options(given: str, whole: str) -> Options:
    known = [field.name for field in fields(Options)]
    found: dict[str, str] = {}
    for part in given.split(","):
        name, equals, value = part.partition("=")
        if name not in known or not equals or not value:
            raise UserError(
                f"{whole}: {part!r} is no option{nearest(name, known)}: give {', '.join(f'{k}=...' for k in known)}.",
                exit_code=2,
            )
        found[name] = value
    layers = found.get("layers")
    if layers is not None and (not layers.isdecimal() or int(layers) < 1):
        raise UserError(f"{whole}: layers={layers} is no number of layers: give 1 or more.", exit_code=2)
    for name, kinds in (("attention", get_args(Attention)), ("pooling", get_args(Pooling))):
        if name in found and found[name] not in kinds:
            raise UserError(f"{whole}: {name}={found[name]} is not one of {', '.join(kinds)}.", exit_code=2)
    return Options(int(layers) if layers else None, found.get("attention"), found.get("pooling"))  # type: ignore[arg-type]


def _own_name(source: str, options: str | None) -> str:
    folder = Path(source).expanduser()
    name = folder.resolve().name if folder.is_dir() else source
    return f"{name}:{options}" if options else name


def _kind(source: str) -> Kind:
    """How it makes vectors: a folder that sentence-transformers alone has written is left to sentence-transformers."""
    if source == BM25:
        return "bm25"
    if source == minilm.NAME:
        return "sentence-transformers"
    if source == smollm2.NAME:
        return "retriever"
    folder = Path(model_folder(source))
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else _hub_files(source)
    return "sentence-transformers" if "modules.json" in names and SETTINGS_FILE not in names else "retriever"


def _hub_files(source: str) -> set[str]:
    """The names of the files at the top of a model of the Hub. UserError where there is none of that name."""
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        return set(HfApi().list_repo_files(source))
    except (httpx2.HTTPError, HFValidationError, OSError) as fault:
        raise UserError(
            f"{source} is no folder here, and the Hub has no such model or cannot be reached ({type(fault).__name__}): "
            f"give a run, a folder, a model of the Hub, {smollm2.NAME}, {minilm.NAME} or {BM25}."
        ) from None
