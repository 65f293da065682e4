"""The tokenizer of an exported model: by itself it gives what training gave, BOS + text + EOS, cut before the EOS."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from drama_train.training.encoder import token_ids


def ending_tokenizer(tokenizer: Any, max_length: int) -> Any:
    """The same tokenizer with BOS and EOS in its post-processor, at most `max_length` tokens, and no chat template.

    Of the plain class, which takes tokenizer.json as it is: the classes of the families build their own post-processor
    from `add_bos_token` and `add_eos_token`, and Llama's has no EOS. UserError where it is no fast tokenizer.
    """
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise UserError(
            f"The tokenizer ({type(tokenizer).__name__}) is no fast one, and only those are saved as tokenizer.json: "
            "convert it with transformers, save it beside the model, and export that."
        )
    inner = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    inner.no_truncation()
    inner.no_padding()
    first = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token]
    ids = {tokenizer.eos_token: tokenizer.eos_token_id} | {bos: tokenizer.bos_token_id for bos in first}
    single = [*first, "$A", tokenizer.eos_token]
    inner.post_processor = processors.TemplateProcessing(
        single=single, pair=[*single, "$B", tokenizer.eos_token], special_tokens=list(ids.items())
    )
    named = {name: getattr(tokenizer, name) for name in ("bos_token", "unk_token") if getattr(tokenizer, name, None)}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token=tokenizer.eos_token,
        # a mask hides it: any token does
        pad_token=tokenizer.pad_token or tokenizer.eos_token,
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
        padding_side="right",
        truncation_side=tokenizer.truncation_side,
        clean_up_tokenization_spaces=False,
        **named,
    )


def check_tokens(folder: Path, tokenizer: Any, texts: Sequence[str], max_length: int) -> None:
    """The saved tokenizer, read again, gives the ids of training. UserError names the first text where it does not."""
    from transformers import AutoTokenizer

    saved = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    wanted = token_ids(tokenizer, texts, max_length)
    found = saved(list(texts), truncation=True)["input_ids"]
    for text, one, other in zip(texts, wanted, found, strict=True):
        if one != other:
            raise UserError(
                f"The tokenizer that was saved reads {text[:40]!r} as {other[:8]}..., and training as {one[:8]}...: it "
                "cannot be exported as it is."
            )
