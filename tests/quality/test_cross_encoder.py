"""The cross-encoder as a second opinion, beside the model called by hand."""

import json
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from builders.quality.cross_encoder import CrossEncoderEngine


def test_a_tiny_cross_encoder_scores_as_by_hand(tmp_path: Path) -> None:
    """Random weights: that texts go in as pairs, and the sigmoid of the logit comes out."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    words = "[PAD] [UNK] [CLS] [SEP] [MASK] the river stone copper bridge is cold".split()
    folder = tmp_path / "cross"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    model = BertForSequenceClassification(
        BertConfig(vocab_size=len(words), max_position_embeddings=32, num_labels=1, **sizes)
    )
    model.eval().save_pretrained(folder)
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=32)
    tokenizer.save_pretrained(folder)
    engine = CrossEncoderEngine(str(folder), dtype="float32")
    assert engine.model.id == "cross" and str(tmp_path) not in json.dumps(engine.identity())
    asked = [("the river", "stone bridge is cold"), ("cold", "the copper river"), ("the river", "cold")]
    requests = {engine.request(*pair).key: pair for pair in asked}
    replies = {reply.key: float(reply.text) for reply in engine.generate([engine.request(*pair) for pair in asked])}
    for key, (query, passage) in requests.items():
        with torch.no_grad():
            logit = model(**tokenizer(query, passage, return_tensors="pt")).logits[0, 0]
        assert replies[key] == pytest.approx(float(torch.sigmoid(logit)), abs=2e-6)
    assert len(set(replies.values())) == 3
    two = BertForSequenceClassification(
        BertConfig(vocab_size=len(words), max_position_embeddings=32, num_labels=2, **sizes)
    )
    two.save_pretrained(folder)
    wrong = CrossEncoderEngine(str(folder), dtype="float32")
    with pytest.raises(UserError, match="has 2 outputs"):
        list(wrong.generate([wrong.request("cold", "river")]))
