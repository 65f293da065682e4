"""Texts tokenized in batches, and appended to the blocks of their language: a corpus is never in memory."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.cli.progress import Progress, say
from builders.text.hashes import id_number
from drama_train.pretraining.texts import TextDocument, Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PARTS = ("train", "heldout")
BATCH_DOCUMENTS, BATCH_CHARACTERS = 1_000, 1_000_000
# A longer document is several texts: an encoding takes some 100 bytes a token.
LONGEST = 1_000_000
# So many documents in a row over the limit of their language: the rest of the texts is not read for the sake of one.
ENOUGH = 100_000
KEPT = 1 << 18  # tokens of a language in memory
_LANGUAGE = re.compile(r"[\w-]{1,40}")


def pack_texts(
    folder: Path,
    texts: Sequence[Texts],
    tokenizer: str,
    ends: tuple[list[int], list[int]],
    *,
    block: int,
    heldout: float,
    limit: int | None,
) -> dict[str, Any]:
    """{language: {documents, tokens, train and heldout: {file, blocks}}}; the files are written.

    tokenizer: its tokenizer.json; ends: what stands before and after each text. A special token that is spelled out in
    a text is text, since documents are anyone's. UserError where texts have no document.
    """
    from tokenizers import Tokenizer

    encoder = Tokenizer.from_str(tokenizer)
    encoder.no_truncation()
    encoder.no_padding()
    encoder.encode_special_tokens = True
    packs: dict[tuple[str, str], Pack] = {}
    documents: Counter[str] = Counter()
    with Progress("tokens", None, unit="documents") as progress:
        for one in texts:
            before = documents.total()
            for batch in _batches(_limited(one, limit, documents)):
                encodings = encoder.encode_batch_fast([text for _, text in batch], add_special_tokens=False)
                for (document, _), encoding in zip(batch, encodings, strict=True):
                    part = PARTS[_is_heldout(document.document_id, heldout)]
                    pack = packs.get((document.language, part))
                    if pack is None:
                        pack = packs[document.language, part] = Pack(folder / f"{document.language}.{part}.u32", block)
                    pack.add([*ends[0], *encoding.ids, *ends[1]])
                tokens = sum(pack.tokens for pack in packs.values())
                progress.step(documents.total() - progress.done, f"{tokens:,} tokens")
            if documents.total() == before and limit is None:
                raise UserError(f"{one.place} holds no text: name other texts.")
    if not documents:
        raise UserError("There is no text: name texts that hold some.")
    return {name: _finished(folder, name, documents[name], packs, block) for name in sorted(documents)}


def _finished(
    folder: Path, language: str, documents: int, packs: "dict[tuple[str, str], Pack]", block: int
) -> dict[str, Any]:
    own = {p: packs.get((language, p)) or Pack(folder / f"{language}.{p}.u32", block) for p in PARTS}
    for pack in own.values():
        pack.write()
    files = {part: {"file": pack.path.name, "blocks": pack.blocks} for part, pack in own.items()}
    return {"documents": documents, "tokens": sum(pack.tokens for pack in own.values()), **files}


class Pack:
    """A file of whole blocks, uint32, little-endian; what does not fill one waits in memory."""

    def __init__(self, path: Path, block: int) -> None:
        self.path, self.block = path, block
        self.tokens = self.blocks = 0
        self._waiting: list[NDArray[np.uint32]] = []
        self._count = 0

    def add(self, ids: Sequence[int]) -> None:
        import numpy as np

        self._waiting.append(np.array(ids, dtype="<u4"))
        self._count += len(ids)
        self.tokens += len(ids)
        if self._count >= max(KEPT, self.block):
            self.write()

    def write(self) -> None:
        """Append the whole blocks among what waits."""
        import numpy as np

        joined = np.concatenate([*self._waiting, np.zeros(0, "<u4")])
        whole = len(joined) // self.block * self.block
        with self.path.open("ab") as file:
            joined[:whole].tofile(file)
        self.blocks += whole // self.block
        self._waiting, self._count = [joined[whole:]], len(joined) - whole


def _is_heldout(document_id: str, share: float) -> bool:
    """Chosen by the id alone: the same in all texts, however many there are."""
    return id_number(0, document_id, "heldout") < share * 2**64


def _limited(texts: Texts, limit: int | None, taken: Counter[str]) -> Iterator[TextDocument]:
    """At most `limit` documents of each language; `taken` counts them, over all texts."""
    over = 0
    for document in texts.documents():
        if limit is not None and taken[document.language] >= limit:
            over += 1
            if over >= ENOUGH:
                say(f"{texts.name}: {ENOUGH:,} documents in a row were over the limit, so the rest is not read")
                return
            continue
        over = 0
        if not _LANGUAGE.fullmatch(document.language):
            raise UserError(f"{document.document_id} of {texts.place} has the language {document.language!r}: no code.")
        taken[document.language] += 1
        yield document


def _batches(documents: Iterator[TextDocument]) -> Iterator[list[tuple[TextDocument, str]]]:
    """(document, text of it) of so many as are tokenized at once."""
    batch: list[tuple[TextDocument, str]] = []
    characters = 0
    for document in documents:
        for text in _pieces(document.text):
            batch.append((document, text))
            characters += len(text)
            if len(batch) >= BATCH_DOCUMENTS or characters >= BATCH_CHARACTERS:
                yield batch
                batch, characters = [], 0
    if batch:
        yield batch


def _pieces(text: str) -> Iterator[str]:
    """The text; one longer than LONGEST cut after a line, or after a blank, or where it must be."""
    start = 0
    while len(text) - start > LONGEST:
        end = next(
            (at + 1 for mark in ("\n", " ") if (at := text.rfind(mark, start + LONGEST // 2, start + LONGEST)) >= 0),
            start + LONGEST,
        )
        yield text[start:end]
        start = end
    yield text[start:]
