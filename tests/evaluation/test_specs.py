"""What users call systems and sets: read as meant, or refused in one sentence."""

import json
from pathlib import Path

import pytest

from builders.cli.errors import UserError
from drama_train.evaluation import specs
from drama_train.evaluation.opening import Opening, TokenCounter, named_sets
from drama_train.evaluation.specs import Options, Spec, model_folder, read_specs


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def test_names_and_options() -> None:
    given = ["bm25", "minilm", "smollm2", "start=smollm2:layers=4", "smollm2:layers=2,attention=causal,pooling=eos"]
    assert read_specs(given) == [
        Spec("bm25", "bm25", "bm25"),
        Spec("minilm", "sentence-transformers", "minilm"),
        Spec("smollm2", "retriever", "smollm2"),
        Spec("start", "retriever", "smollm2", Options(4)),
        Spec("smollm2:layers=2,attention=causal,pooling=eos", "retriever", "smollm2", Options(2, "causal", "eos")),
    ]


def test_a_folder_is_what_its_files_say(tmp_path: Path) -> None:
    plain = _touch(tmp_path / "llama", "config.json")
    foreign = _touch(tmp_path / "foreign", "config.json", "modules.json")
    exported = _touch(tmp_path / "exported", "config.json", "modules.json", "drama.json")
    found = read_specs([str(plain), str(foreign), f"mine={exported}"])
    assert [(spec.name, spec.kind) for spec in found] == [
        ("llama", "retriever"),
        ("foreign", "sentence-transformers"),
        ("mine", "retriever"),
    ]


def test_a_run_is_its_model_else_its_best_checkpoint(tmp_path: Path) -> None:
    run = _touch(tmp_path / "run", "config.json", "log.jsonl")
    with pytest.raises(
        UserError, match=r"has no model yet \(no model and no checkpoints/best/model\): train it further"
    ):
        model_folder(str(run))
    _touch(run, "checkpoints/best/model/config.json", "checkpoints/last/model/config.json")
    assert model_folder(str(run)) == str(run / "checkpoints/best/model")
    _touch(run, "model/config.json")
    assert read_specs([str(run)]) == [Spec("run", "retriever", str(run / "model"))]


def test_a_model_of_the_hub_is_what_its_files_say(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"me/small": {"config.json", "drama.json", "modules.json"}, "you/bert": {"config.json", "modules.json"}}
    monkeypatch.setattr(specs, "_hub_files", files.__getitem__)
    assert [spec.kind for spec in read_specs(list(files))] == ["retriever", "sentence-transformers"]


def test_what_the_hub_does_not_have_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        UserError, match=r"me/small is no folder here, and the Hub has no such model or cannot be reach"
    ):
        read_specs(["me/small"])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (["smollm2:layer=4"], r"'layer=4' is no option \(did you mean layers\?\)"),
        (["smollm2:layers=none"], r"layers=none is no number of layers"),
        (["smollm2:layers=0"], r"layers=0 is no number of layers"),
        (["smollm2:pooling=max"], r"pooling=max is not one of mean, eos"),
        (["bm25:layers=2"], r"has options, which bm25 does not take"),
        (["x="], r"'x=' names no system"),
        (["smollm2", "bm25", "smollm2"], r"Two systems are called smollm2: .*OTHER=smollm2"),
    ],
)
def test_what_names_no_system_is_one_sentence(given: list[str], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        read_specs(given)


def test_sets_go_by_their_names() -> None:
    given = [
        "judged/",
        "mteb:SciFact",
        "my=judged",
        "release:out/notes-v1.0.0",
        "hf://me/notes@v1.0.0",
        "needle:256,1024",
    ]
    found = named_sets(given, Opening())
    assert [(one.name, one.max_length) for one in found] == [
        ("judged", None),
        ("SciFact", None),
        ("my", None),
        ("notes-v1.0.0-heldout", None),
        ("notes-heldout", None),
        ("needle-256", 256),
        ("needle-1024", 1024),
    ]
    assert [one.max_length for one in named_sets(["passkey:"], Opening())] == [256 << at for at in range(8)]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (["needle:100"], r"'100' is no length of the test: give 256, 512"),
        (["a/judged", "b/judged"], r"Two sets are called judged: .*--on OTHER=judged"),
        (["x="], r"--on x= names no set"),
    ],
)
def test_what_names_no_set_is_one_sentence(given: list[str], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        named_sets(given, Opening())


def test_what_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({}))
    nowhere, needle, release = named_sets(["nowhere", "needle:256", f"release:{tmp_path}"], Opening())
    with pytest.raises(UserError, match=r"The evaluation set nowhere is not there: give a folder in the BEIR layout"):
        nowhere.open()
    with pytest.raises(UserError, match=r"no system here has a tokenizer: name a model with --model"):
        needle.open()
    with pytest.raises(UserError, match=r"does not follow release.schema.json"):
        release.open()


@pytest.mark.parametrize(("limit", "asked", "is_rehearsal"), [(None, 50, False), (4, 4, True), (50, 50, False)])
def test_a_test_of_few_long_texts_is_called_a_rehearsal(limit: int | None, asked: int, is_rehearsal: bool) -> None:
    counter = TokenCounter(lambda texts: [len(text.split()) for text in texts], "words")
    (named,) = named_sets(["passkey:256"], Opening(limit=limit, counter=lambda: counter))
    made = named.open()
    assert len(made.queries) == len(made.documents) == asked
    assert (f"a rehearsal of {asked} queries: its scores are no result" in made.notes) is is_rehearsal
