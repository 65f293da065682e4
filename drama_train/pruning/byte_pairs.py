"""A byte-pair encoding cut to some of its tokens: which it needs beside them, and the tokenizer of what is left.

A text whose tokens are all kept is encoded as before. Every merge that its encoding makes lies within one of the tokens
that come out, and no merge crosses between two of these; so each is merged as it would be alone, through the same
inner tokens, whatever stands beside it. With those kept, the cut tokenizer has every merge that the whole one makes,
in the same order, and no other: at each step it takes the same one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from builders.cli.errors import UserError

_BYTES = {f"<0x{byte:02X}>" for byte in range(256)}
_SPACE = "▁"  # what SentencePiece writes for a blank; as three bytes it would not be decoded to one
_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def definition(tokenizer: Any) -> dict[str, Any]:
    """Its tokenizer.json, without truncation and padding. UserError where it is no fast one, or no plain BPE."""
    inner = getattr(tokenizer, "backend_tokenizer", None)
    if inner is None:
        raise UserError(
            f"The tokenizer ({type(tokenizer).__name__}) is no fast one: convert it with transformers, and save it "
            "beside the model."
        )
    found: dict[str, Any] = json.loads(inner.to_str())
    kind = found["model"].get("type")
    if kind != "BPE":
        raise UserError(f"The vocabulary of a {kind} tokenizer cannot be cut, only that of BPE: keep every token.")
    if affix := found["model"].get("continuing_subword_prefix") or found["model"].get("end_of_word_suffix"):
        raise UserError(f"The tokenizer marks parts of words by {affix!r}, which cannot be cut: keep every token.")
    return found | {"truncation": None, "padding": None}


def needed(tokenizer: Any, used: Iterable[int]) -> list[int]:
    """The numbers of `used`, ascending, with what must be kept beside them.

    These are special and added tokens; the alphabet, so that any text can be encoded; and the inner tokens of each,
    which merging makes on the way to it. UserError as for `definition`.
    """
    defined = definition(tokenizer)
    vocabulary: dict[str, int] = defined["model"]["vocab"]
    words = {number: token for token, number in vocabulary.items()}
    added = {int(one["id"]) for one in defined["added_tokens"]}
    special = {number for name in _NAMED if (number := getattr(tokenizer, f"{name}_id")) is not None}
    kept = {
        *map(int, used),
        *added,
        *special,
        *(vocabulary[token] for token in _alphabet(defined["model"], vocabulary)),
    }
    ranks = {(left, right): rank for rank, (left, right) in enumerate(_merges(defined))}
    for number in tuple(kept - added):
        kept.update(vocabulary[part] for part in inner_tokens(words[number], ranks))
    return sorted(kept)


def inner_tokens(token: str, ranks: Mapping[tuple[str, str], int]) -> set[str]:
    """Its characters, and what is merged of them on the way to it; nothing where merging does not make it.

    That is so of bytes, and of words that `ignore_merges` looks up whole (Llama 3), which need no merge.
    """
    parts, made = list(token), set(token)
    while len(parts) > 1:
        found = [(ranks[pair], at) for at, pair in enumerate(pairwise(parts)) if pair in ranks]
        if not found:
            return set()
        _, at = min(found)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        made.add(parts[at])
    return made


def new_numbers(kept: Sequence[int]) -> dict[int, int]:
    """{old number: new number}, from 0 on in their order. ValueError where they do not ascend."""
    if any(before >= after for before, after in pairwise(kept)):
        raise ValueError("the tokens to keep do not ascend")
    return {int(old): new for new, old in enumerate(kept)}


def rewritten(tokenizer: Any, kept: Sequence[int]) -> Any:
    """A fast tokenizer of those tokens, numbered from 0 in the order of their numbers, without a chat template.

    Of transformers' plain class, which takes tokenizer.json as it is. kept: as `needed` gives them. ValueError where
    they do not ascend, one is of no token, or an added token is not among them; UserError as for `definition`.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    defined = definition(tokenizer)
    numbers = new_numbers(kept)
    vocabulary = {token: numbers[old] for token, old in defined["model"]["vocab"].items() if old in numbers}
    for token in defined["added_tokens"]:
        if token["id"] not in numbers:
            raise ValueError(f"the added token {token['content']} is not kept")
        token["id"] = numbers[token["id"]]
    merges = [[a, b] for a, b in _merges(defined) if a in vocabulary and b in vocabulary and a + b in vocabulary]
    defined["model"] |= {"vocab": vocabulary, "merges": merges}
    _renumber(defined["post_processor"], numbers)
    inner = Tokenizer.from_str(json.dumps(defined))
    whole = tokenizer.backend_tokenizer
    for new, old in enumerate(kept):
        if (token := whole.id_to_token(int(old))) is None or inner.token_to_id(token) != new:
            raise ValueError(f"the token {token!r}, number {old}, would be number {inner.token_to_id(token or '')}")
    named = {name: getattr(tokenizer, name) for name in _NAMED if getattr(tokenizer, name, None) is not None}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        extra_special_tokens=list(tokenizer.extra_special_tokens),
        model_max_length=tokenizer.model_max_length,
        model_input_names=list(tokenizer.model_input_names),
        padding_side=tokenizer.padding_side,
        truncation_side=tokenizer.truncation_side,
        clean_up_tokenization_spaces=tokenizer.clean_up_tokenization_spaces,
        **named,
    )


def _alphabet(model: Mapping[str, Any], vocabulary: Mapping[str, int]) -> set[str]:
    """The tokens that any text can be made of, as far as the vocabulary has them."""
    from tokenizers.pre_tokenizers import ByteLevel

    if model.get("byte_fallback"):
        letters = {*_BYTES, _SPACE}
    else:
        letters = set(ByteLevel.alphabet())
        if not letters <= vocabulary.keys():  # no bytes: another text is made of the characters that it knows
            letters = {token for token in vocabulary if len(token) == 1}
    return {token for token in (*letters, str(model.get("unk_token"))) if token in vocabulary}


def _merges(defined: Mapping[str, Any]) -> list[tuple[str, str]]:
    """In their order, the first being made first. Older files write a pair as one text."""
    pairs = (one.split(" ") if isinstance(one, str) else one for one in defined["model"]["merges"])
    return [(left, right) for left, right in pairs]


def _renumber(processor: Any, numbers: Mapping[int, int]) -> None:
    """What a post-processor puts around a text, in place: templates, BERT's and RoBERTa's pairs, sequences of these."""
    if processor is None:
        return
    for one in processor.get("processors", []):
        _renumber(one, numbers)
    if processor["type"] == "TemplateProcessing":
        for token in processor["special_tokens"].values():
            token["ids"] = [numbers[old] for old in token["ids"]]
    for side in ("sep", "cls"):
        if side in processor:
            processor[side][1] = numbers[processor[side][1]]
