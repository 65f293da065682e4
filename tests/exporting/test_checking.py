"""A folder that gives other vectors than training is found, with the reason, in every program."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.cli.errors import UserError
from drama_train.exporting.checking import Finding, check_folder, compared, tell_findings
from drama_train.exporting.golden import TEXTS, golden_of, read_golden
from drama_train.retriever import Retriever

OTHERS = ("sentence-transformers", "transformers")
IGNORES = "it ignores is_causal: its attention is not that of training"


def findings(folder: Path, *runtimes: str) -> dict[str, Finding]:
    return {finding.what: finding for finding in check_folder(folder, 1e-5, runtimes or ("drama_train", *OTHERS))}


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def test_a_folder_that_is_right(written: Path) -> None:
    lines: list[str] = []
    tell_findings(written, 1e-5, lines.append)
    assert [line.split()[0] for line in lines[:4]] == ["files", "drama_train", *OTHERS]
    assert all("  ok" in line for line in lines[:4])
    assert "onnxruntime" in lines[4] and "not run: the folder has no model.onnx" in lines[4]


def test_golden_vectors_are_read_back_bit_for_bit(retriever: Retriever, written: Path) -> None:
    made, found = golden_of(retriever), read_golden(written)
    assert found.kinds == made.kinds and found.texts == made.texts and len(found.texts) == len(TEXTS) > 10
    np.testing.assert_array_equal(found.vectors, made.vectors)
    np.testing.assert_array_equal(found.turned, made.turned)
    assert found.vectors.dtype == np.float32
    longest = retriever.token_ids([found.texts[-1]], "document", max_length=10_000)[0]
    assert len(longest) > found.max_length == retriever.settings.max_length


@pytest.mark.parametrize("lost", [True, False])
def test_a_config_that_lost_is_causal(lost: bool, folder: Path) -> None:
    edit(folder / "config.json", lambda c: c.pop("is_causal") if lost else c.update(is_causal=True))
    found = findings(folder)
    assert found["drama_train"].status == "ok"  # it goes by drama.json
    for name in OTHERS:
        assert (found[name].status, found[name].words) == ("FAILED", IGNORES)
        assert found[name].difference is not None and found[name].difference > 0.01
    said = "null" if lost else "true"
    assert found["files"].words == f"config.json says is_causal {said}, and the model was trained bidirectional"
    lines: list[str] = []
    with pytest.raises(UserError, match="is not what was trained, by files, sentence-transformers, transformers: "):
        tell_findings(folder, 1e-5, lines.append)
    assert "".join(lines).count("FAILED") == 3


def test_a_tokenizer_that_forgets_the_end(folder: Path) -> None:
    edit(folder / "tokenizer.json", lambda told: told.update(post_processor=None))
    for name, finding in findings(folder, *OTHERS).items():
        if name != "files":
            assert finding.status == "FAILED" and finding.words.startswith("most at"), finding


def test_a_pooling_that_is_another(folder: Path) -> None:
    edit(
        folder / "1_Pooling/config.json",
        lambda told: told.update(pooling_mode_mean_tokens=False, pooling_mode_lasttoken=True),
    )
    assert findings(folder, "sentence-transformers")["sentence-transformers"].status == "FAILED"


def test_a_program_that_breaks_is_a_finding(folder: Path) -> None:
    (folder / "1_Pooling/config.json").write_text("{")
    found = findings(folder, "sentence-transformers")["sentence-transformers"]
    assert found.status == "FAILED" and "JSONDecodeError" in found.words and "\n" not in found.words


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("pytorch_model.bin", "x", "pytorch_model.bin is a form whose loading can run code"),
        ("onnx/weights.npy", "x", "onnx/weights.npy is a form whose loading can run code"),
        ("modeling_mine.py", "x", "modeling_mine.py is code"),
        ("modules.json", '[{"type": "mine.Module"}]', "modules.json names remote code ('mine.Module')"),
    ],
)
def test_what_must_not_be_there(path: str, content: str, words: str, folder: Path) -> None:
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(content)
    found = findings(folder)
    assert found["files"].status == "FAILED" and words in found["files"].words
    told = {name: (one.status, one.words) for name, one in found.items() if name != "files"}
    assert told == dict.fromkeys(("drama_train", *OTHERS), ("not run", "the folder may hold code"))


@pytest.mark.parametrize("path", ["modules.json", "config.json", "tokenizer_config.json"])
def test_a_damaged_file_is_one_sentence(path: str, folder: Path) -> None:
    for told, words in (("{", "Expecting"), ("3", "it is no "), ('"x"', "it is no ")):
        (folder / path).write_text(told)
        with pytest.raises(UserError, match=rf"{path} is damaged \({words}.*\): export the model again"):
            list(check_folder(folder, 1e-5, ()))
    (folder / "modules.json").write_text('["mine.Module"]')
    assert path != "modules.json" or "names remote code ('mine.Module')" in findings(folder)["files"].words


@pytest.mark.parametrize("path", ["chat_template.jinja", "additional_chat_templates/a.jinja"])
def test_a_chat_template(path: str, folder: Path) -> None:
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text("text: {{ messages[0].content }}")
    assert f"{Path(path).parts[0]} holds a chat template" in findings(folder, "drama_train")["files"].words


def test_remote_code_and_templates_in_configs(folder: Path) -> None:
    edit(folder / "config.json", lambda told: told.update(auto_map={"AutoModel": "mine.Model"}))
    edit(folder / "tokenizer_config.json", lambda told: told.update(chat_template="{{ messages }}"))
    words = findings(folder, "drama_train")["files"].words
    assert "config.json names remote code (auto_map)" in words
    assert "tokenizer_config.json holds a chat template" in words


def test_what_is_no_exported_model(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no exported model \(it has no config.json, no tokenizer.json"):
        list(check_folder(tmp_path / "nothing", 1e-5))
    (folder / "golden.json").unlink()
    with pytest.raises(UserError, match=r"has no golden\.json to compare with"):
        list(check_folder(folder, 1e-5))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: g["rows"][0].pop("vector"), "'vector' is a required property"),
        (lambda g: g["rows"][0].update(vector=[1.0]), "numbers, and dim 128"),
        (lambda g: g.update(rows=[]), "should be non-empty|too short"),
        (lambda g: [row.update(vector=[0.5] * 128) for row in g["rows"]], "are all the same"),
    ],
)
def test_golden_vectors_that_show_nothing(change: Callable[[Any], Any], words: str, folder: Path) -> None:
    edit(folder / "golden.json", change)
    with pytest.raises(UserError, match=words):
        read_golden(folder)


def test_vectors_that_are_no_numbers_or_of_another_shape(written: Path) -> None:
    golden = read_golden(written)
    assert compared("x", golden.vectors * np.nan, golden, 1e-5).status == "FAILED"
    assert "of shape (13, 64)" in compared("x", golden.vectors[:, :64], golden, 1e-5).words
    assert compared("x", golden.vectors, golden, 1e-5).status == "ok"
    assert compared("x", golden.turned, golden, 1e-5).words == IGNORES
