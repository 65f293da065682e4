"""A process with the real client in it: lines of JSON in, lines of JSON out. Started by tests.hub.client.

One process serves many tests, because the client reads its address when it is imported, which takes seconds.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any


def publish(arguments: list[str]) -> int:
    from builders.cli.command import run
    from builders.publish import Publish, main

    try:
        return run(Publish, main, arguments)
    except SystemExit as ended:
        return int(ended.code or 0)


def publish_model(folder: str, repository: str, tag: str) -> Any:
    """Any folder through the code that publishes a release."""
    from hashlib import sha256

    from builders.cli.errors import UserError
    from builders.hub.files import File
    from builders.hub.place import Repository, Tag
    from builders.hub.publishing import publish_folder

    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    files = [File(str(p.relative_to(folder)), p.stat().st_size, sha256(p.read_bytes()).hexdigest()) for p in paths]
    try:
        published = publish_folder(
            Path(folder),
            files,
            Repository(repository, "model"),
            Tag(tag, f"small {tag}", ""),
            name="small",
            replaces=("*.safetensors",),
        )
    except UserError as fault:
        return str(fault)
    return [published.commit, published.is_new]


def publish_retriever(arguments: list[str]) -> int:
    from drama_train.publish import command

    try:
        return command(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)


def encode(repository: str, revision: str, kind: str, texts: list[str]) -> Any:
    """By sentence-transformers and by transformers, of a model as the Hub gives it: what each makes of the texts."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(1)
    model = SentenceTransformer(repository, revision=revision, device="cpu")
    plain = AutoModel.from_pretrained(repository, revision=revision)
    ids = AutoTokenizer.from_pretrained(repository, revision=revision)(texts, truncation=True)["input_ids"]
    encoded = model.encode_query(texts) if kind == "query" else model.encode_document(texts)
    return {"vectors": encoded.tolist(), "ids": ids, "is_causal": plain.config.is_causal}


def load(repository: str, config: str, revision: str, streaming: bool) -> dict[str, Any]:
    """{split: its rows}; of a stream the first three."""
    from datasets import load_dataset

    loaded = load_dataset(repository, config, revision=revision, streaming=streaming)
    return {split: list(rows.take(3)) if streaming else rows.to_list() for split, rows in loaded.items()}


def open_for_training(place: str, chunk_ids: list[str]) -> Any:
    """The content hash of a release on the Hub and the texts of those chunks, as the trainer reads them."""
    from builders.cli.errors import UserError
    from drama_train.training.releases import Rows, open_release

    try:
        release = open_release(place)
        corpus = Rows([release], "corpus", "chunk_id")
        return [release.content_hash, corpus.column("text", corpus.numbers(chunk_ids))]
    except UserError as fault:
        return str(fault)


def answer_within(seconds: float) -> None:
    """How long the Hub has for one answer."""
    from builders.hub import client

    client.ANSWER_S = seconds


CALLS = {
    "answer_within": answer_within,
    "encode": encode,
    "load": load,
    "open_for_training": open_for_training,
    "publish": publish,
    "publish_model": publish_model,
    "publish_retriever": publish_retriever,
}


def without_waiting() -> None:
    """The client waits up to 8 s before it tries again, five times."""
    import huggingface_hub.file_download as downloading
    import huggingface_hub.utils._http as http

    class NoTime:
        sleep = staticmethod(lambda seconds: None)

        def __getattr__(self, name: str) -> Any:
            import time

            return getattr(time, name)

    http.time = downloading.time = NoTime()


def serve() -> None:
    answers = sys.stdout
    without_waiting()
    for line in sys.stdin:
        asked = json.loads(line)
        for name, value in asked["env"].items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            result = CALLS[asked["call"]](*asked["arguments"])
        print(json.dumps({"result": result, "out": out.getvalue(), "err": err.getvalue()}), file=answers, flush=True)


if __name__ == "__main__":
    serve()
