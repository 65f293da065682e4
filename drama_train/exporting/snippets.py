"""How a model is used, as code for its card that runs as it stands."""

from drama_train.retriever import Settings

FOLDER = "path/to/this/folder"
_QUERY, _DOCUMENT = "how do rivers reach the sea", "The river passes two mills and reaches the sea by night."


def for_sentence_transformers(place: str, settings: Settings) -> str:
    cut = settings.dims[len(settings.dims) // 2] if len(settings.dims) > 1 else None
    note = f"  # or truncate_dim={cut}: shorter vectors" if cut else ""
    return f"""from sentence_transformers import SentenceTransformer

model = SentenceTransformer({place!r}){note}
queries = model.encode_query([{_QUERY!r}])
documents = model.encode_document([{_DOCUMENT!r}])
print(model.similarity(queries, documents))"""


def for_transformers(place: str, settings: Settings) -> str:
    query, document = settings.query_prefix + _QUERY, settings.document_prefix + _DOCUMENT
    pooled = {
        "mean": "(states * mask).sum(1) / mask.sum(1)",
        "eos": "states[torch.arange(len(states)), mask.squeeze(-1).sum(1) - 1]",
    }[settings.pooling]
    return f"""import torch
from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({place!r})
model = AutoModel.from_pretrained({place!r}, dtype=torch.float32).eval()
texts = [{query!r}, {document!r}]
inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
with torch.no_grad():
    states = model(**inputs).last_hidden_state
mask = inputs["attention_mask"].unsqueeze(-1)
vectors = torch.nn.functional.normalize({pooled}, dim=1)
print(vectors[0] @ vectors[1])"""


def for_vllm(place: str, settings: Settings) -> str:
    query, document = settings.query_prefix + _QUERY, settings.document_prefix + _DOCUMENT
    return f"""import numpy as np
from vllm import LLM

if __name__ == "__main__":
    model = LLM({place!r}, runner="pooling", dtype="float32")
    texts = [{query!r}, {document!r}]
    vectors = np.array([output.outputs.embedding for output in model.embed(texts)])
    print(vectors[0] @ vectors[1])"""
