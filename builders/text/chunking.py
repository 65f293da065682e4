"""Pack whole sentences into chunks of at most so many tokens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builders.text.sentences import sentence_spans

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Span = tuple[int, int]

# A document's last chunk below this share of the limit is evened out with the one before it.
SHORT_TAIL = 0.25
# A piece handed to the tokenizer at once: an endless word costs it more than linear time.
PIECE_CHARACTERS = 20_000
# Sentences encoded at once: an encoding takes some 100 bytes a token, which a document of 50 MB must not hold at once.
BATCH = 1_000

# A word with the white space before it: what byte-level and word-piece tokenizers never join across.
_WORD = re.compile(r"\s*\S+")
# How many words a process remembers the lengths of, and the longest of them (some scripts write no spaces).
WORDS_KNOWN, LONGEST_KNOWN = 500_000, 40
_word_tokens: dict[int, dict[str, int]] = {}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Offsets into the document (code points), the starts of its sentences in the document, its length in tokens."""

    start: int
    end: int
    sentence_starts: tuple[int, ...]
    tokens: int


def chunk_text(text: str, language: str, tokenizer: "Tokenizer", max_tokens: int) -> list[Chunk]:
    """Chunks in order; every character outside them is white space between sentences.

    `tokens` is exact: the length of the chunk's text encoded by itself, without special tokens. A sentence is cut only
    where it alone is longer than `max_tokens` (DRAMA 3.1: chunks of at most 256 tokens). Packing goes by estimates
    (estimate_tokens), so that the text is encoded once, in the chunks that come out; where one is too long after all,
    it is packed again, tighter.
    """
    spans = sentence_spans(text, language)
    if not spans:
        return []
    lengths = _estimates(text, spans, tokenizer)
    limit = max_tokens
    while True:
        groups = pack(lengths, limit)
        bounds = [(spans[i][0], spans[j - 1][1]) for i, j in groups]
        tokens = _exact_tokens(text, bounds, tokenizer)
        # One character alone may have more tokens than a very small limit: it cannot be cut.
        too_long = [
            (group, t) for group, (a, b), t in zip(groups, bounds, tokens, strict=True) if t > max_tokens and b - a > 1
        ]
        if not too_long:
            break
        alone = {i for (i, j), _ in too_long if j - i == 1}
        if alone:
            pieces = [_cut_sentence(text, s, tokenizer, max_tokens) if i in alone else [s] for i, s in enumerate(spans)]
            spans = [piece for cut in pieces for piece in cut]
            lengths = _estimates(text, spans, tokenizer)
        else:
            limit -= max(t for _, t in too_long) - max_tokens
    return [
        Chunk(a, b, tuple(s for s, _ in spans[i:j]), t)
        for (a, b), (i, j), t in zip(bounds, groups, tokens, strict=True)
    ]


def pack(lengths: Sequence[int], limit: int) -> list[Span]:
    """Index ranges of consecutive items, each as many as fit; a short last range is evened out with the one before."""
    groups, first, total = [], 0, 0
    for i, length in enumerate(lengths):
        if i > first and total + length > limit:
            groups.append((first, i))
            first, total = i, 0
        total += length
    groups.append((first, len(lengths)))
    if len(groups) > 1 and total < limit * SHORT_TAIL:
        (start, _), (_, end) = groups[-2:]
        cut = _most_even_cut(lengths, start, end, limit)
        if cut is not None:
            groups[-2:] = [(start, cut), (cut, end)]
    return groups


def _most_even_cut(lengths: Sequence[int], start: int, end: int, limit: int) -> int | None:
    total = sum(lengths[start:end])
    left, best = 0, None
    for cut in range(start + 1, end):
        left += lengths[cut - 1]
        uneven = abs(total - 2 * left)
        if max(left, total - left) <= limit and (best is None or uneven < best[0]):
            best = (uneven, cut)
    return best[1] if best else None


def _cut_sentence(text: str, span: Span, tokenizer: "Tokenizer", max_tokens: int) -> list[Span]:
    """Pieces of a long sentence, cut at white space (between tokens where there is none)."""
    start, end = span
    pieces = []
    reach = 4 * max_tokens
    while start < end:
        stop = min(end, start + reach)
        encoding = tokenizer.encode(text[start:stop], add_special_tokens=False)
        if len(encoding) <= max_tokens and stop < end and reach < PIECE_CHARACTERS:
            reach = min(2 * reach, PIECE_CHARACTERS)
            continue
        if len(encoding) > max_tokens:
            stop = _last_blank(text, start, start + max(1, encoding.offsets[max_tokens][0]))
            while stop - start > 1 and _lengths([text[start:stop]], tokenizer)[0] > max_tokens:
                stop -= max(1, (stop - start) // 16)
        elif stop < end:
            stop = _last_blank(text, start, stop)
        pieces.append((start, stop))
        reach = 2 * (stop - start)  # the next piece is likely to be like this one
        start = stop
        while start < end and text[start].isspace():
            start += 1
    return pieces


def _last_blank(text: str, start: int, stop: int) -> int:
    """The end of the last whole word in text[start:stop], or `stop` where that is one word."""
    cut = stop
    while cut > start and not text[cut : cut + 1].isspace():
        cut -= 1
    return len(text[start:cut].rstrip()) + start if text[start:cut].strip() else stop


def _estimates(text: str, spans: Sequence[Span], tokenizer: "Tokenizer") -> list[int]:
    """Of each sentence with the white space before it, which belongs to its first word's token."""
    starts = [spans[0][0]] + [end for _, end in spans[:-1]]
    return [estimate_tokens(text[a:b], tokenizer) for a, (_, b) in zip(starts, spans, strict=True)]


def estimate_tokens(text: str, tokenizer: "Tokenizer") -> int:
    """About how many tokens the text has: the sum over its words, each encoded once a process.

    Tokenizers seldom join what white space parts, so the sum is exact or nearly so, at a tenth of the cost.
    """
    known = _word_tokens.setdefault(id(tokenizer), {})
    words = _WORD.findall(text)
    try:
        return sum([known[w] for w in words])
    except KeyError:
        unknown = list({w for w in words if w not in known})
    fresh = dict(zip(unknown, _lengths([w[:PIECE_CHARACTERS] for w in unknown], tokenizer), strict=True))
    if len(known) < WORDS_KNOWN:
        known.update((w, n) for w, n in fresh.items() if len(w) <= LONGEST_KNOWN)
    return sum(known[w] if w in known else fresh[w] for w in words)


def _exact_tokens(text: str, bounds: Sequence[Span], tokenizer: "Tokenizer") -> list[int]:
    """The length of each piece encoded by itself; one too long to be handed over counts its code points."""
    encoded = iter(_lengths([text[a:b] for a, b in bounds if b - a <= PIECE_CHARACTERS], tokenizer))
    return [next(encoded) if b - a <= PIECE_CHARACTERS else b - a for a, b in bounds]


def _lengths(texts: Sequence[str], tokenizer: "Tokenizer") -> list[int]:
    batches = (list(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH))
    return [len(e) for batch in batches for e in tokenizer.encode_batch_fast(batch, add_special_tokens=False)]
