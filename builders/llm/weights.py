"""Which weights a model name means: smollm2, a folder, or a model of the Hub, each with a pinned revision."""

import re
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path

from builders.cli.errors import UserError
from builders.llm import smollm2
from builders.llm.requests import Model

FOLDER_HASH = "blake2b-"  # what the revision of a folder begins with; that of a Hub model is a commit
COMMIT = re.compile(r"[0-9a-f]{40}")


def pinned_model(model_id: str, revision: str | None) -> Model:
    """The model's name and revision; loads nothing, but asks the Hub where its model has no full commit yet.

    A folder's revision is a hash of its files, so that a retrained model of the same name is another model, also in the
    process that has trained it.
    """
    if model_id == smollm2.NAME:
        return Model(model_id, smollm2.revision())
    if Path(model_id).is_dir():
        return Model(model_id, revision or _folder_hash(Path(model_id)))
    if revision and COMMIT.fullmatch(revision):
        return Model(model_id, revision)
    return Model(model_id, _commit(model_id, revision))


def weights_of(model: Model, say: Callable[[str], None] | None = None) -> tuple[str, str | None]:
    """What from_pretrained and vLLM are given: a folder, or a Hub id with its revision."""
    if model.id == smollm2.NAME:
        return str(smollm2.model_folder(say)), None
    if Path(model.id).is_dir():
        return model.id, None
    return model.id, model.revision


def _folder_hash(folder: Path) -> str:
    """A hash of names and bytes; a 16 GB model takes about half a minute, far less than loading it."""
    if not (folder / "config.json").is_file():
        raise UserError(
            f"The folder {folder} has no config.json: name with --model one that transformers' save_pretrained wrote."
        )
    # The Hub's own bookkeeping differs between downloads of the same model.
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    stats = [path.stat() for path in files]
    return _content_hash(folder, tuple(files), tuple((stat.st_size, stat.st_mtime_ns, stat.st_ino) for stat in stats))


@cache
def _content_hash(folder: Path, files: tuple[Path, ...], stats: tuple[tuple[int, int, int], ...]) -> str:
    """Read again where a file's size, time or place on the disk has changed since."""
    digest = blake2b(digest_size=16)
    for path, (size, _, _) in zip(files, stats, strict=True):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return f"{FOLDER_HASH}{digest.hexdigest()}"


@cache
def _commit(model_id: str, revision: str | None) -> str:
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        found = HfApi().model_info(model_id, revision=revision).sha
    # Without network the Hub's client lets through httpx2's own errors, which are no OSError.
    except (httpx2.HTTPError, HFValidationError, OSError) as error:
        where = f"{model_id}@{revision}" if revision else model_id
        raise UserError(
            f"The model {where} is no folder here and could not be looked up on the Hub ({type(error).__name__}): "
            "correct --model, or give as its revision the 40 letters of a commit that you have downloaded."
        ) from None
    return str(found)
