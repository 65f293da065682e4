"""The vectors that each program makes of golden texts, from the folder alone, as its users load it; in float32."""

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drama_train.exporting.golden import Golden, encoded
from drama_train.exporting.onnx_model import INPUTS, ONNX_FILE
from drama_train.retriever import Settings, load_retriever, read_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

# For a few short texts: a whole server's memory is not asked for.
_VLLM_ARGUMENTS = {"enforce_eager": True, "max_num_seqs": 16, "gpu_memory_utilization": 0.3}


class NotRun(Exception):
    """Why a program was not run here."""


def by_retriever(folder: Path, golden: Golden) -> "Vectors":
    """drama_train's own."""
    return encoded(load_retriever(str(folder)), golden.kinds, golden.texts)


def by_sentence_transformers(folder: Path, golden: Golden) -> "Vectors":
    """encode_query and encode_document, with the prompts of the folder."""
    import numpy as np
    import torch

    _need("sentence_transformers", "sentence-transformers")
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(folder), device="cpu", trust_remote_code=False, model_kwargs={"dtype": torch.float32}
    )
    model.max_seq_length = golden.max_length
    dim = model.get_embedding_dimension()
    vectors = np.zeros((len(golden.texts), int(dim or 0)), np.float32)
    for kind, encode in (("query", model.encode_query), ("document", model.encode_document)):
        numbers = golden.of(kind)  # type: ignore[arg-type]
        vectors[numbers] = encode([golden.texts[at] for at in numbers], show_progress_bar=False)
    return vectors


def by_transformers(folder: Path, golden: Golden) -> "Vectors":
    """AutoTokenizer and AutoModel, pooled and normalised by hand; a batch of all texts."""
    import numpy as np
    import torch
    from transformers import AutoModel

    settings = read_settings(folder)
    inputs = _inputs(folder, golden, settings, range(len(golden.texts)))
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False).eval()
    with torch.inference_mode():
        states = model(**{name: torch.from_numpy(value) for name, value in inputs.items()}).last_hidden_state.numpy()
    mask = inputs["attention_mask"][..., None]
    if settings.pooling == "mean":
        pooled = (states * mask).sum(1) / mask.sum(1)
    else:
        pooled = states[np.arange(len(states)), mask[..., 0].sum(1) - 1]
    return np.asarray(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), np.float32)


def by_onnx(folder: Path, golden: Golden) -> "Vectors":
    """ONNX Runtime: all but the last text in one batch, the last alone, so that no size can be fixed in the graph."""
    import numpy as np

    if not (folder / ONNX_FILE).is_file():
        raise NotRun(f"the folder has no {ONNX_FILE} (export --onnx writes it)")
    _need("onnxruntime", "onnxruntime")
    import onnxruntime

    settings = read_settings(folder)
    session = onnxruntime.InferenceSession(folder / ONNX_FILE, providers=["CPUExecutionProvider"])
    last = len(golden.texts) - 1
    parts = [session.run(None, _inputs(folder, golden, settings, numbers))[0] for numbers in (range(last), [last])]
    return np.asarray(np.concatenate(parts), np.float32)


def by_vllm(folder: Path, golden: Golden) -> "Vectors":
    """Pooling, as `vllm serve FOLDER --runner pooling` does; the prefix is put before the text by hand."""
    import numpy as np

    _need("vllm", "vllm")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # it logs on stdout, where findings are told
    import vllm

    settings = read_settings(folder)
    arguments: dict[str, Any] = {"dtype": "float32", "max_model_len": golden.max_length, **_VLLM_ARGUMENTS}
    llm = vllm.LLM(model=str(folder), runner="pooling", **arguments)
    try:
        cut = {"truncation": True, "max_length": golden.max_length}
        outputs = llm.embed(_whole(golden, settings, range(len(golden.texts))), tokenization_kwargs=cut, use_tqdm=False)
        return np.asarray([output.outputs.embedding for output in outputs], np.float32)
    finally:
        llm.llm_engine.engine_core.shutdown()


RUNTIMES: dict[str, Callable[[Path, Golden], "Vectors"]] = {
    "drama_train": by_retriever,
    "sentence-transformers": by_sentence_transformers,
    "transformers": by_transformers,
    "onnxruntime": by_onnx,
    "vllm": by_vllm,
}


def _need(package: str, name: str) -> None:
    if find_spec(package) is None:
        raise NotRun(f"{name} is not installed here")


def _whole(golden: Golden, settings: Settings, numbers: Sequence[int]) -> list[str]:
    return [settings.prefix(golden.kinds[at]) + golden.texts[at] for at in numbers]


def _inputs(folder: Path, golden: Golden, settings: Settings, numbers: Sequence[int]) -> "dict[str, Any]":
    """Token ids and mask by the saved tokenizer, which adds BOS and EOS and cuts."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    whole = _whole(golden, settings, numbers)
    found = tokenizer(whole, padding=True, truncation=True, max_length=golden.max_length, return_tensors="np")
    return {name: found[name] for name in INPUTS}
