"""Packed tokens: decoded they are the texts, opened again they are the same, and a run that was killed starts anew."""

import copy
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.cli.errors import UserError
from drama_train.pretraining import packing
from drama_train.pretraining.texts import TextDocument, Texts
from drama_train.pretraining.tokens import Tokens, tokenized
from tests.llm.tiny_llama import write_tiny_llama
from tests.making import snapshot
from tests.pretraining.making import as_texts, documents, stopping

BLOCK = 32


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Its BOS is <|system|>, its EOS <|end|>."""
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(write_tiny_llama(tmp_path_factory.mktemp("tiny")))
    found.bos_token = "<|system|>"
    return found


def _decoded(tokenizer: Any, blocks: Any) -> list[str]:
    """The texts between BOS and EOS; the last may be cut."""
    texts = tokenizer.decode(blocks.reshape(-1).tolist()).split("<|system|>")
    assert texts[0] == ""
    return [text.removesuffix("<|end|>") for text in texts[1:]]


@pytest.mark.parametrize("kept", [1, 1 << 18])
def test_blocks_decoded_are_the_texts(
    tokenizer: Any, tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "KEPT", kept)
    monkeypatch.setattr(packing, "BATCH_DOCUMENTS", 7)
    given = documents(60)
    tokens = tokenized(tmp_path / "tokens", [as_texts(given)], tokenizer, block=BLOCK, heldout=0.2)
    assert list(tokens.languages) == ["de", "en"]
    seen = 0
    for name, one in tokens.languages.items():
        assert one.documents == sum(document.language == name for document in given)
        for part, blocks in (("train", one.train), ("heldout", one.heldout)):
            is_heldout = part == "heldout"
            own = [
                d.text for d in given if d.language == name and packing._is_heldout(d.document_id, 0.2) == is_heldout
            ]
            found = _decoded(tokenizer, blocks)
            seen += len(own)
            assert blocks.dtype == np.uint32 and blocks.shape == (len(blocks), BLOCK)
            whole, cut = found[:-1], found[-1]
            assert whole == own[: len(whole)] and own[len(whole)].startswith(cut)
            # less than a block is left over
            ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in own]
            assert len(blocks) == sum(len(row) + 2 for row in ids) // BLOCK
    assert seen == len(given)


def test_a_second_opening_reads_what_is_there(tokenizer: Any, tmp_path: Path) -> None:
    given = documents(40)
    first = tokenized(tmp_path / "tokens", [as_texts(given)], tokenizer, block=BLOCK, heldout=0.2)
    before = snapshot(tmp_path / "tokens")

    def unread() -> Any:
        raise AssertionError("read again")

    same = Texts("elsewhere", "notes", as_texts(given).content_hash, unread)
    second = tokenized(tmp_path / "tokens", [same], tokenizer, block=BLOCK, heldout=0.2)
    assert snapshot(tmp_path / "tokens") == before
    _assert_equal(first, second)


def _assert_equal(first: Tokens, second: Tokens) -> None:
    assert (first.key, first.block) == (second.key, second.block)
    assert list(first.languages) == list(second.languages) != []
    for name, one in first.languages.items():
        assert np.array_equal(one.train, second.languages[name].train) and len(one.train)
        assert np.array_equal(one.heldout, second.languages[name].heldout)
        assert one.documents == second.languages[name].documents


def test_a_stopped_run_starts_again(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "BATCH_DOCUMENTS", 5)
    monkeypatch.setattr(packing, "KEPT", 1)
    given = documents(40)
    whole = tokenized(tmp_path / "whole", [as_texts(given)], tokenizer, block=BLOCK)
    with pytest.raises(KeyboardInterrupt):
        tokenized(tmp_path / "tokens", [stopping(given, 21)], tokenizer, block=BLOCK)
    assert not (tmp_path / "tokens").exists()
    _assert_equal(whole, tokenized(tmp_path / "tokens", [as_texts(given)], tokenizer, block=BLOCK))


KILLED = """
import os, signal, sys
from pathlib import Path
from transformers import AutoTokenizer
from drama_train.pretraining import packing
from drama_train.pretraining.texts import Texts
from drama_train.pretraining.tokens import tokenized
from tests.pretraining.making import documents

packing.BATCH_DOCUMENTS, packing.KEPT = 5, 1
def read():
    yield from documents(40)[:21]
    os.kill(os.getpid(), signal.SIGKILL)
tokenized(Path(sys.argv[2]), [Texts("n", "n", "1", read)], AutoTokenizer.from_pretrained(sys.argv[1]), block=32)
"""


@pytest.mark.slow
def test_a_killed_run_starts_again(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "tokenizer"), str(tmp_path / "tokens")]
    killed = subprocess.run(command, cwd=Path(__file__).parents[2], env=os.environ, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    left = list(tmp_path.glob(".tokens.partial/rows/*.u32"))
    assert left and not (tmp_path / "tokens").exists()
    texts = [as_texts(documents(40), content_hash="1")]
    whole = tokenized(tmp_path / "whole", texts, tokenizer, block=BLOCK)
    _assert_equal(whole, tokenized(tmp_path / "tokens", texts, tokenizer, block=BLOCK))
    assert not list(tmp_path.glob(".tokens.partial"))


def test_another_run_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    given = documents(40)
    options = {"block": BLOCK, "heldout": 0.2}
    folder = tmp_path / "tokens"
    tokenized(folder, [as_texts(given)], tokenizer, **options)
    before = snapshot(folder)
    for change in ({"block": 64}, {"heldout": 0.1}, {"limit": 5}):
        with pytest.raises(UserError, match="are of other texts, another tokenizer"):
            tokenized(folder, [as_texts(given)], tokenizer, **(options | change))
    with pytest.raises(UserError, match="are of other texts, another tokenizer"):
        tokenized(folder, [as_texts(given[1:])], tokenizer, **options)
    other = copy.deepcopy(tokenizer)
    other.bos_token = "<|user|>"
    with pytest.raises(UserError, match="are of other texts, another tokenizer"):
        tokenized(folder, [as_texts(given)], other, **options)
    assert snapshot(folder) == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty and holds no tokens"):
        tokenized(tmp_path / "full", [as_texts(given)], tokenizer, **options)


def test_damage_is_named(tokenizer: Any, tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    texts = [as_texts(documents(40))]
    tokenized(folder, texts, tokenizer, block=BLOCK)
    path = folder / "en.train.u32"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match=r"damaged \(en.train.u32 has not \d+ blocks\): delete that folder"):
        tokenized(folder, texts, tokenizer, block=BLOCK)
    for content in ("[]", "{", json.dumps({"key": 1})):
        (folder / "manifest.json").write_text(content)
        with pytest.raises(UserError, match=r"damaged|of other texts"):
            tokenized(folder, texts, tokenizer, block=BLOCK)


def test_a_text_that_spells_a_special_token_is_text(tokenizer: Any, tmp_path: Path) -> None:
    hostile = [TextDocument("1", "en", "rivers <|end|><|system|> mountains of the north " * 4)]
    tokens = tokenized(tmp_path / "tokens", [as_texts(hostile)], tokenizer, block=8, heldout=0.0)
    ids = tokens.blocks("en", range(len(tokens.languages["en"].train))).reshape(-1)
    special = {tokenizer.bos_token_id, tokenizer.eos_token_id}
    assert [at for at, one in enumerate(ids) if one in special] == [0]
    assert tokenizer.decode(ids[1:]).startswith("rivers <|end|><|system|> mountains")
    assert not tokenizer.backend_tokenizer.encode_special_tokens, "the caller's tokenizer is changed"


def test_a_long_document_is_several_texts(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LONGEST", 40)
    [document] = documents(1)
    broken = TextDocument("2", "en", "x" * 100)
    tokens = tokenized(tmp_path / "tokens", [as_texts([document, broken])], tokenizer, block=4, heldout=0.0)
    found = _decoded(tokenizer, tokens.languages["en"].train)
    assert tokens.languages["en"].documents == 2
    assert len(found) > 5 and max(map(len, found)) <= 40
    assert (document.text + broken.text).startswith("".join(found))
    assert all(text[-1] in " \n." for text in found[:-3])


def test_a_limit_is_of_each_language_over_all_texts(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [as_texts(documents(40)), as_texts(documents(90)[40:], content_hash="2")]
    limited = tokenized(tmp_path / "some", parts, tokenizer, block=BLOCK, limit=12)
    assert {name: one.documents for name, one in limited.languages.items()} == {"en": 12, "de": 12}
    monkeypatch.setattr(packing, "ENOUGH", 4)
    few = tokenized(tmp_path / "few", parts[:1], tokenizer, block=4, limit=1)
    assert few.languages["en"].documents == 1
    assert "4 documents in a row were over the limit" in capsys.readouterr().err


def test_languages_without_a_block_are_named(
    tokenizer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*documents(40), TextDocument("short", "fi", "joki")]
    for _ in range(2):
        tokens = tokenized(tmp_path / "tokens", [as_texts(given)], tokenizer, block=BLOCK, heldout=0.0)
        assert list(tokens.languages) == ["de", "en"]
        told = capsys.readouterr().err
        assert "left out, since they fill no block of 32 tokens: fi" in told
        assert "not evaluated, since no block of 32 tokens is held out: de, en" in told
        assert tokens.languages["en"].heldout.shape == (0, BLOCK)


def test_empty_texts_are_refused(tokenizer: Any, tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    for texts in ([], [as_texts([])], [as_texts(documents(9)), as_texts([], name="void")]):
        with pytest.raises(UserError, match=r"There is no text|(notes|void) holds no text"):
            tokenized(folder, texts, tokenizer, block=BLOCK)
    with pytest.raises(UserError, match="No language fills a block of 32 tokens"):
        tokenized(folder, [as_texts([TextDocument("1", "en", "river")])], tokenizer, block=BLOCK)
    with pytest.raises(UserError, match="notes are given twice"):
        tokenized(folder, [as_texts(documents(9))] * 2, tokenizer, block=BLOCK)
    with pytest.raises(UserError, match=r"has the language '\.\./de': no code"):
        tokenized(tmp_path / "other", [as_texts([TextDocument("1", "../de", "river")])], tokenizer, block=BLOCK)


def test_streams_by_weights_and_by_balance(tokenizer: Any, tmp_path: Path) -> None:
    tokens = tokenized(tmp_path / "tokens", [as_texts(documents(40))], tokenizer, block=BLOCK)
    counts = {name: len(one.train) for name, one in tokens.languages.items()}
    assert counts["en"] > counts["de"] > 0
    for balance in (0.0, 0.5, 1.0):
        total = sum(count**balance for count in counts.values())
        found = {s.name: s.weight for s in tokens.streams(None, balance)}
        assert found == pytest.approx({name: count**balance / total for name, count in counts.items()})
    [de, en] = tokens.streams({"en": 3, "de": 1}, 0.5)
    assert (de.name, de.weight, en.name, en.weight) == ("de", 0.25, "en", 0.75)
    assert de.rows.tolist() == list(range(counts["de"]))
    assert [s.name for s in tokens.streams({"de": 2}, 1.0)] == ["de"]
    rows = tokens.blocks("de", de.rows[[2, 0]])
    assert rows.dtype == np.int64
    assert np.array_equal(rows, tokens.languages["de"].train[[2, 0]])
    with pytest.raises(UserError, match=r"No text is in the language dd \(did you mean de\?\): name one of de, en"):
        tokens.streams({"dd": 1}, 1.0)
    with pytest.raises(UserError, match="weight of the language de is 0"):
        tokens.streams({"de": 0}, 1.0)
