"""Golden vectors: what the trained model makes of a few texts, kept in its folder for every program that loads it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.store.schemas import first_fault
from drama_train.retriever import Kind, Retriever

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

GOLDEN_FILE = "golden.json"
_SENTENCE = "The river rises in the hills, passes two mills and a long row of poplars, and reaches the sea by night. "

# Our own sentences: what programs read differently are scripts, spaces, marks, and the end of a text that is cut.
TEXTS: tuple[tuple[Kind, str], ...] = (
    ("query", "how do rivers reach the sea"),
    ("query", "Wie kalt ist der Fluss im Winter?"),
    ("query", "山の雪はいつとけますか"),
    ("query", "متى يذوب الثلج في الجبال؟"),
    ("query", "x"),
    ("document", "Snow melts in the hills in April, and the river is highest a week later."),
    ("document", "Снег в горах тает в апреле, а через неделю река поднимается выше всего."),
    ("document", "पहाड़ों की बर्फ़ अप्रैल में पिघलती है।"),
    ("document", "หิมะบนภูเขาละลายในเดือนเมษายน"),
    ("document", "  two  spaces,\ta tab\nand a line that ends here \n"),
    ("document", "def melt(snow: float) -> float:\n    return snow * 0.9  # <b>not</b> & `half`"),
    ("document", "🏔️ naïve façade, Ωμέγα, 한국어, ½ ﬁne"),
    ("document", _SENTENCE * 12),
)


@dataclass(frozen=True)
class Golden:
    """N texts with the (N, D) vectors of length 1 that the trained model makes of them.

    `turned`: the vectors of the same model whose attention is the other one, causal where it was trained both ways:
    whoever makes these ignores `is_causal`. `max_length`: tokens read of a text.
    """

    kinds: tuple[Kind, ...]
    texts: tuple[str, ...]
    vectors: "Vectors"
    turned: "Vectors"
    max_length: int

    def of(self, kind: Kind) -> list[int]:
        """The numbers of the texts of that kind."""
        return [at for at, one in enumerate(self.kinds) if one == kind]


def golden_of(retriever: Retriever) -> Golden:
    """By the retriever itself; the longest text is made longer than `max_length`, so that something is cut."""
    texts = list(TEXTS)
    longest = retriever.settings.max_length
    while len(retriever.token_ids([texts[-1][1]], "document", max_length=longest + 2)[0]) <= longest:
        texts[-1] = ("document", texts[-1][1] + _SENTENCE * 12)
    kinds, words = tuple(kind for kind, _ in texts), tuple(text for _, text in texts)
    vectors = encoded(retriever, kinds, words)
    config = retriever.model.config
    before = config.is_causal
    config.is_causal = not before
    try:
        turned = encoded(retriever, kinds, words)
    finally:
        config.is_causal = before
    return Golden(kinds, words, vectors, turned, longest)


def encoded(retriever: Retriever, kinds: Sequence[Kind], texts: Sequence[str]) -> "Vectors":
    """(N, D) in the order of the texts, each with the prefix of its kind."""
    import numpy as np

    vectors = np.zeros((len(texts), retriever.dim), np.float32)
    for kind in ("query", "document"):
        numbers = [at for at, one in enumerate(kinds) if one == kind]
        vectors[numbers] = retriever.encode([texts[at] for at in numbers], kind)
    return vectors


def write_golden(golden: Golden, folder: Path) -> None:
    rows = [
        {"kind": kind, "text": text, "vector": _told(vector), "turned": _told(turned)}
        for kind, text, vector, turned in zip(golden.kinds, golden.texts, golden.vectors, golden.turned, strict=True)
    ]
    told = {"max_length": golden.max_length, "dim": int(golden.vectors.shape[1]), "rows": rows}
    (folder / GOLDEN_FILE).write_text(json.dumps(told, ensure_ascii=False) + "\n", encoding="utf-8")


def _told(vector: "Vectors") -> list[float]:
    """The shortest decimals that read back as the same float32."""
    return [float(str(value)) for value in vector]


def read_golden(folder: Path) -> Golden:
    """UserError where there are none, they are damaged, or they are all one vector and would show nothing."""
    import numpy as np

    path = folder / GOLDEN_FILE
    if not path.is_file():
        raise UserError(f"{folder} has no {GOLDEN_FILE} to compare with: export the model again.")
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fault = first_fault("golden", told)
    except ValueError as error:
        fault = str(error)
    if fault is None:
        rows = told["rows"]
        lengths = {len(row[name]) for row in rows for name in ("vector", "turned")}
        fault = None if lengths == {told["dim"]} else f"vectors of {sorted(lengths)} numbers, and dim {told['dim']}"
    if fault is not None:
        raise UserError(f"{path} is damaged ({fault}): export the model again.")
    vectors, turned = (np.asarray([row[name] for row in rows], np.float32) for name in ("vector", "turned"))
    if not np.isfinite(vectors).all() or float(vectors.std(axis=0).max()) < 1e-6:
        raise UserError(f"The vectors in {path} are all the same or no numbers: this model tells no texts apart.")
    kinds, texts = tuple(row["kind"] for row in rows), tuple(row["text"] for row in rows)
    return Golden(kinds, texts, vectors, turned, told["max_length"])
