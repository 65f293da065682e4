"""Tokenizers trained here, each of a kind that real models have, and texts of many scripts for them."""

import json
import random
from typing import Any

from tests.training.small_release import WORDS

_SENTENCES = [
    "Die Flüsse im Norden sind kalt, die Straße ist gesperrt.",
    "Les rivières du nord sont gelées; où est l'hiver ?",
    "北の川は冷たい。 北方的河流很冷。 Реки севера холодные.",
    "أنهار الشمال باردة. उत्तर की नदियाँ। แม่น้ำทางเหนือ",
    "def rivers(north):\n    return [one for one in north if one > 10_000]  # 🌊🏔",
]


def texts(count: int, *, seed: int = 0) -> list[str]:
    """English words, which repeat, and now and then a sentence of another script."""
    draw = random.Random(seed)
    return [
        " ".join([*draw.choices(WORDS, k=12), *draw.choices(_SENTENCES, k=draw.randrange(2)), str(draw.randrange(999))])
        for _ in range(count)
    ]


def byte_level(size: int = 700) -> Any:
    """As GPT-2's and SmolLM2's: every byte has a letter; the special tokens are in the vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    inner.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|start|>", "<|pad|>", "<|extra|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts(200) + _SENTENCES * 20, trainer)
    named = {"bos_token": "<|start|>", "eos_token": "<|end|>", "pad_token": "<|pad|>"}
    return _wrapped(json.loads(inner.to_str()), extra_special_tokens=["<|extra|>"], **named)


def byte_fallback() -> Any:
    """As Llama 2's: blanks are ▁, characters that are no tokens are bytes, BOS by a template; bytes come first."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    special = ["<unk>", "<s>", "</s>"]
    inner = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False)
    inner.train_from_iterator(texts(200) + _SENTENCES[:2] * 20, trainer)
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    defined = json.loads(inner.to_str())
    learnt = [token for token in defined["model"]["vocab"] if token not in special]
    learnt.sort(key=lambda token: defined["model"]["vocab"][token])
    numbered = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *learnt]
    defined["model"]["vocab"] = {token: number for number, token in enumerate(numbered)}
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return _wrapped(defined, model_max_length=4096, padding_side="left", **named)


LOOKED_UP = " passage9find"  # a word of the vocabulary that no merge makes


def ignoring_merges() -> Any:
    """As Llama 3's: a word that is a token is looked up whole; special tokens stand behind the vocabulary."""
    from tokenizers import AddedToken, Regex, Tokenizer, pre_tokenizers, processors

    defined = json.loads(byte_level(600).backend_tokenizer.to_str())
    model = defined["model"]
    special = {token["content"] for token in defined["added_tokens"]}
    learnt = [t for t in sorted(model["vocab"], key=lambda t: model["vocab"][t]) if t not in special]
    learnt.insert(300, LOOKED_UP.replace(" ", "Ġ"))
    model |= {"ignore_merges": True, "vocab": {token: number for number, token in enumerate(learnt)}}
    inner = Tokenizer.from_str(json.dumps(defined | {"added_tokens": []}))
    inner.add_special_tokens([AddedToken(t, normalized=False) for t in ("<|bos|>", "<|eos|>", "<|reserved|>")])
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[^\s]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    template = processors.TemplateProcessing(
        single="<|bos|> $A", special_tokens=[("<|bos|>", inner.token_to_id("<|bos|>"))]
    )
    inner.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return _wrapped(json.loads(inner.to_str()), bos_token="<|bos|>", eos_token="<|eos|>")


def _wrapped(defined: dict[str, Any], **named: Any) -> Any:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(defined)), **named)
