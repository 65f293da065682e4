"""Sentences a second: the bare engine and ours. By hand: `python -m tests.benchmarks.bench_sentences [TEXT_OR_JSONL]`.

Without an argument it reads Python's own documentation, where ours must not fall below a third of the bare engine. A .jsonl file needs rows with `text` and `lang`; another file is
one English document.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import sentencex

from builders.text.sentences import sentence_spans

ROUNDS = 5


def documents(arguments: list[str]) -> dict[str, list[str]]:
    if not arguments:
        from pydoc_data.topics import topics

        return {"en": list(topics.values())}
    path = Path(arguments[0])
    if path.suffix != ".jsonl":
        return {"en": [path.read_text(encoding="utf-8")]}
    by_language: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        by_language[row["lang"]].append(row["text"])
    return by_language


def fastest(split: Callable[[str], int], texts: list[str]) -> tuple[int, float]:
    """Sentences, and the seconds of the fastest of several rounds."""
    best, sentences = float("inf"), 0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        sentences = sum(map(split, texts))
        best = min(best, time.perf_counter() - start)
    return sentences, best


def main() -> None:
    print(
        f"{'lang':<5}{'MB':>7}{'bare sent/s':>14}{'ours sent/s':>14}{'bare MB/s':>11}{'ours MB/s':>11}{'ours/bare':>11}"
    )
    for language, texts in sorted(documents(sys.argv[1:]).items()):
        size = sum(len(text.encode()) for text in texts) / 1e6

        def bare(text: str, language: str = language) -> int:
            found = sentencex.get_sentence_boundaries(language, text)
            return sum(not boundary["is_paragraph_break"] for boundary in found)

        def ours(text: str, language: str = language) -> int:
            return len(sentence_spans(text, language))

        n_bare, t_bare = fastest(bare, texts)
        n_ours, t_ours = fastest(ours, texts)
        print(
            f"{language:<5}{size:>7.2f}{n_bare / t_bare:>14,.0f}{n_ours / t_ours:>14,.0f}"
            f"{size / t_bare:>11.1f}{size / t_ours:>11.1f}{t_bare / t_ours:>11.2f}"
        )


if __name__ == "__main__":
    main()
