"""What a model's folder must hold and must not: settings that agree, no chat template, no code, no pickle."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builders.cli.errors import UserError
from drama_train.retriever import SETTINGS_FILE, read_settings

# Loading one of these may run what its author put in.
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".msgpack", ".h5", ".npy", ".npz")
_CODE = (".py", ".pyc", ".so", ".dll", ".sh")
_TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates")
_NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", SETTINGS_FILE)
_OUR_MODULES = "sentence_transformers."


def dangers_in(folder: Path) -> list[str]:
    """What could run when the folder is loaded, one sentence each; nothing is loaded.

    UserError where it is no exported model.
    """
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder} is no exported model (it has no {', no '.join(missing)}): make one with "
            "`python -m drama_train export RUN --out FOLDER`."
        )
    return [*_files(folder), *_remote_code(folder)]


def faults_in(folder: Path) -> list[str]:
    """What else is wrong with an exported model's files, one sentence each."""
    weights = [] if list(folder.glob("*.safetensors")) else ["there are no weights in safetensors"]
    return [*weights, *_templates(folder), *_attention(folder)]


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix in _PICKLES:
            yield f"{name} is a form whose loading can run code"
        elif path.suffix in _CODE:
            yield f"{name} is code"


def _templates(folder: Path) -> Iterator[str]:
    places = [name for name in _TEMPLATES if (folder / name).exists()]
    if _read(folder / "tokenizer_config.json").get("chat_template"):
        places.append("tokenizer_config.json")
    for name in places:
        yield f"{name} holds a chat template, which sentence-transformers would put every text into"


def _attention(folder: Path) -> Iterator[str]:
    """Behaviour is compared too, but a program that was not run here goes by the flag."""
    config, settings = _read(folder / "config.json"), read_settings(folder)
    wanted = settings.attention == "causal"
    if config.get("is_causal") is not wanted:
        yield (
            f"config.json says is_causal {json.dumps(config.get('is_causal'))}, and the model was trained "
            f"{settings.attention}"
        )


def _remote_code(folder: Path) -> Iterator[str]:
    for name in ("config.json", "tokenizer_config.json"):
        if "auto_map" in _read(folder / name):
            yield f"{name} names remote code (auto_map)"
    modules = _json(folder / "modules.json", list, "list of modules")
    for module in modules:
        kind = module.get("type") if isinstance(module, dict) else module
        if not str(kind).startswith(_OUR_MODULES):
            yield f"modules.json names remote code ({kind!r})"


def _read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = _json(path, dict, "JSON object")
    return told


def _json(path: Path, kind: type, what: str) -> Any:
    """UserError where it is none, or of another kind."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise UserError(f"{path} is damaged ({fault}): export the model again.") from None
    if not isinstance(told, kind):
        raise UserError(f"{path} is damaged (it is no {what}): export the model again.")
    return told
