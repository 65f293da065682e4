"""Texts as blocks of tokens, packed by language, written once and mapped into memory."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.names import nearest
from builders.releases.manifests import MANIFEST, write_json
from builders.store.folders import new_folder
from drama_train.pretraining.packing import PARTS, pack_texts
from drama_train.pretraining.texts import Texts
from drama_train.training.mixture import Stream
from drama_train.training.processes import tell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REVISION = 1  # raise it when the same texts come to give other blocks


@dataclass(frozen=True, eq=False)
class LanguageTokens:
    """train: (N, block), heldout: (M, block), uint32 and mapped; documents: of both."""

    name: str
    train: "NDArray[np.uint32]"
    heldout: "NDArray[np.uint32]"
    documents: int


@dataclass(frozen=True)
class Tokens:
    """Languages that have a block to train on, by name. key: of the texts, the tokenizer and how they were packed."""

    languages: dict[str, LanguageTokens]
    block: int
    key: str

    def streams(self, weights: Mapping[str, float] | None, balance: float) -> list[Stream]:
        """One for each language, by name; its rows are numbers of its blocks for training, the weights' sum is 1.

        weights: only those languages, in those shares. Without: by blocks ** balance, 1 for every block equally often,
        0 for every language. UserError where a language isn't there, or its weight is no number above 0.
        """
        import numpy as np

        given = dict(weights) if weights else {n: len(one.train) ** balance for n, one in self.languages.items()}
        for name, weight in given.items():
            self.language(name)
            if not 0 < weight < float("inf"):
                raise UserError(f"The weight of the language {name} is {weight}: give a number above 0.", exit_code=2)
        total = sum(given.values())
        return [Stream(name, np.arange(len(self.languages[name].train)), given[name] / total) for name in sorted(given)]

    def blocks(self, name: str, rows: "Sequence[int] | NDArray[Any]") -> "NDArray[np.int64]":
        """(B, block) token ids of those rows of the stream, or language, of that name."""
        import numpy as np

        return np.asarray(self.language(name).train[np.asarray(rows, dtype=np.int64)].astype(np.int64))

    def language(self, name: str) -> LanguageTokens:
        """UserError where none is of that name."""
        if name not in self.languages:
            near, there = nearest(name, self.languages), ", ".join(self.languages)
            raise UserError(f"No text is in the language {name}{near}: name one of {there}.", exit_code=2)
        return self.languages[name]


def tokenized(
    folder: Path,
    texts: Sequence[Texts],
    tokenizer: Any,
    *,
    block: int,
    heldout: float = 0.02,
    limit: int | None = None,
) -> Tokens:
    """The tokens of all texts: BOS (where the tokenizer has one) + text + EOS, one after another, in blocks.

    They are written into the folder, which appears whole or not at all; where they are there already, they are read.
    heldout: the share of documents, chosen by their id, that is in blocks of its own. limit: at most so many documents
    of each language. What is left of each language at the end, less than a block, is not used.

    UserError where there is no text, no language has a block to train on, or the folder holds something else.
    """
    import os

    folder = Path(os.path.abspath(folder))
    if repeated := [
        one.place for at, one in enumerate(texts) if one.content_hash in {t.content_hash for t in texts[:at]}
    ]:
        raise UserError(f"The texts of {repeated[0]} are given twice: give them once.", exit_code=2)
    definition = tokenizer.backend_tokenizer.to_str()
    facts = {
        "revision": REVISION,
        "texts": [{"name": one.name, "content_hash": one.content_hash} for one in texts],
        "tokenizer": _hash(definition, repr((tokenizer.bos_token_id, tokenizer.eos_token_id))),
        "block": block,
        "heldout": heldout,
        "limit": limit,
    }
    key = _hash(json.dumps(facts, sort_keys=True))
    if not (folder / MANIFEST).is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty and holds no tokens: name another folder.", exit_code=2)
        with new_folder(folder) as (rows, _):
            ends = ([] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]), [tokenizer.eos_token_id]
            languages = pack_texts(rows, texts, definition, ends, block=block, heldout=heldout, limit=limit)
            write_json(rows / MANIFEST, {"key": key, **facts, "languages": languages})
    return _read(folder, key, block)


def _read(folder: Path, key: str, block: int) -> Tokens:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["key"] != key:
            raise UserError(
                f"The tokens in {folder} are of other texts, another tokenizer or another --length, --heldout or "
                "--limit: give the same flags, name another folder, or delete that one.",
                exit_code=2,
            )
        found = {name: _language(folder, name, told, block) for name, told in manifest["languages"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as fault:
        raise UserError(f"The tokens in {folder} are damaged ({fault}): delete that folder.") from None
    languages = {name: one for name, one in sorted(found.items()) if len(one.train)}
    if left := sorted(set(found) - set(languages)):
        tell(f"left out, since they fill no block of {block:,} tokens: {', '.join(left)}")
    if not languages:
        raise UserError(f"No language fills a block of {block:,} tokens: give more text, or a smaller --length.")
    if unseen := [name for name, one in languages.items() if not len(one.heldout)]:
        tell(f"not evaluated, since no block of {block:,} tokens is held out: {', '.join(unseen)}")
    return Tokens(languages, block, key)


def _language(folder: Path, name: str, told: Mapping[str, Any], block: int) -> LanguageTokens:
    """ValueError where a file is not as long as the manifest says."""
    import numpy as np

    parts = {}
    for part in PARTS:
        count = int(told[part]["blocks"])
        path = folder / Path(told[part]["file"]).name
        if path.stat().st_size != count * block * 4:
            raise ValueError(f"{path.name} has not {count:,} blocks")
        empty = np.zeros((0, block), np.uint32)  # an empty file cannot be mapped
        parts[part] = np.memmap(path, np.dtype("<u4"), "r", shape=(count, block)) if count else empty
    return LanguageTokens(name, parts["train"], parts["heldout"], int(told["documents"]))


def _hash(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
