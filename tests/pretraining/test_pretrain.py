"""`python -m drama_train pretrain`: a run from flags to files, again, distilled, rehearsed, refused, killed, by two."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from drama_train.language_model import load_language_model, save_language_model
from drama_train.pretraining.perplexity import heldout_losses
from drama_train.pretraining.tokens import Tokens
from drama_train.pruning.vocabulary import cut_vocabulary
from drama_train.retriever import load_retriever
from drama_train.training.run_log import read_log
from tests.llm.tiny_llama import one_thread, write_tiny_llama
from tests.pretraining.making import documents, write_beir, write_chunked
from tests.pretraining.runs import alone_on_one_thread, flags_of, heldout_of, losses_of, run_pretrain


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def pruned(tiny_folder: Path, small_tokens: Tokens, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model of fewer tokens, whose pruning.json names a folder that is not there."""
    folder = tmp_path_factory.mktemp("pruned") / "small"
    made, kept = cut_vocabulary(load_language_model(str(tiny_folder)), small_tokens, at_least=2)
    save_language_model(made, folder)
    told = {"source": {"id": "gone/away", "revision": "1"}, "tokens": kept}
    (folder / "pruning.json").write_text(json.dumps(told))
    return folder


def test_a_run_is_told_in_files(
    texts: Path, pruned: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Distilled from the model that was pruned."""
    from drama_train.pretraining.texts import open_texts

    out = tmp_path / "run"
    flags = [*flags_of(texts, pruned, out), "--distil-from", str(tiny_folder)]
    assert run_pretrain(*flags) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(out)
    lines = [line for line in told.err.splitlines() if line.startswith("step") and "lr" in line]
    assert len(lines) == 4 and len({line.index("tok/s") for line in lines}) == 1
    table = told.err.splitlines()[-3:]
    assert table[0].split() == ["held", "out", "source", "(ppl)", "at", "start", "(ppl)", "best", "(ppl)"]
    assert [line.split()[0] for line in table[1:]] == ["de", "en"]
    run = json.loads((out / "run.json").read_text())
    assert run["steps"] == 4 and run["tokens"] == 4 * 4 * 32 == sum(line.get("tokens", 0) for line in read_log(out))
    assert run["distillation"]["id"] == "model" and run["distillation"]["weight"] == 0.5 and run["lost"] == []
    heldout = dict(heldout_of(out))
    for name in ("de", "en"):
        assert run["losses"]["start"][name]["loss"] == heldout[0][name]
        assert run["losses"]["best"][name]["loss"] == heldout[run["best_step"]][name]
        assert run["losses"]["source"][name]["tokens"] == run["losses"]["start"][name]["tokens"] > 0
    assert run["best_loss"] == min(one["loss"] for one in heldout.values())
    assert "Held-out loss by language" in (out / "losses.svg").read_text()
    assert list((out / "tensorboard").iterdir())
    assert not list(out.rglob("*.bin")) + list(out.rglob("*.pt")) + list(out.rglob("*.pkl"))
    pruning = [json.loads((folder / "pruning.json").read_text()) for folder in (out / "model", pruned)]
    best = {
        "steps": run["best_step"],
        "tokens": run["best_step"] * 4 * 32,
        "texts": [open_texts(str(texts)).recorded()],
    }
    assert pruning[0] == pruning[1] | {"recovery": best}
    assert load_retriever(str(out / "model")).encode(["rivers"], "query").shape == (1, 128)


def test_the_source_column_is_the_teachers_loss_and_the_model_is_the_best(
    texts: Path, pruned: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    from drama_train.pretraining.texts import open_texts
    from drama_train.pretraining.tokens import tokenized

    out = tmp_path / "run"
    assert run_pretrain(*flags_of(texts, pruned, out), "--compare", str(tiny_folder)) == 0
    made = load_language_model(str(out / "model"))
    tokens = tokenized(out / "tokens", [open_texts(str(texts))], made.tokenizer, block=32, heldout=0.2)
    run = json.loads((out / "run.json").read_text())
    kept = torch.tensor(json.loads((pruned / "pruning.json").read_text())["tokens"])
    source = load_language_model(str(tiny_folder)).model
    expected = {
        "best": heldout_losses(made.model, tokens, blocks=2, batch=2),
        "source": heldout_losses(source, tokens, blocks=2, batch=2, numbers=kept),
    }
    for name, losses in expected.items():
        assert {key: one["loss"] for key, one in run["losses"][name].items()} == {
            key: pytest.approx(one.loss, rel=1e-5) for key, one in losses.items()
        }


def test_a_run_that_is_done_is_left_as_it_is_and_another_is_refused(
    texts: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    flags = flags_of(texts, tiny_folder, out)
    assert run_pretrain(*flags) == 0
    assert "Which languages are lost is not told" in capsys.readouterr().err
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != ".lock"}
    assert run_pretrain(*flags) == 0
    assert "already trained" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    assert run_pretrain(*flags, "--seed", "1") == 2
    assert f"{out} is another run: its plan is seed 0, and would be seed 1" in capsys.readouterr().err
    assert run_pretrain(*flags, "--weights", "de=2", "en=1") == 2
    assert "is another run: its streams is weight" in capsys.readouterr().err
    assert run_pretrain(*flags, "--limit", "20") == 2
    assert "are of other texts, another tokenizer or another --length" in capsys.readouterr().err


def test_a_dry_run_tells_and_writes_nothing(
    texts: Path, pruned: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*flags_of(texts, pruned, tmp_path / "run"), "--distil-from", str(tiny_folder), "--budget", "32"]
    assert run_pretrain(*flags, "--dry-run") == 0
    told = capsys.readouterr().err
    assert "2x128x4x2x256: " in told and "embeddings" in told and "passes over the" in told
    assert "memory of a process: weights 0.00 GB" in told and "teacher 0.00" in told and "states of 1 blocks" in told
    assert "s a step here" in told and "for 4 steps" in told and "for 3 evaluations" in told
    assert list(tmp_path.iterdir()) == []


def test_checkpointing_keeps_less(
    texts: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drama_train.pretraining import rehearsal

    kept = []
    measure = rehearsal._measured

    def remembered(work: Any) -> rehearsal.Measured:
        found = measure(work)
        kept.append(found.kept_bytes)
        return found

    monkeypatch.setattr(rehearsal, "_measured", remembered)
    for flag in ("--no-checkpointing", "--checkpointing"):
        assert run_pretrain(*flags_of(texts, tiny_folder, tmp_path / "run"), "--dry-run", flag) == 0
    assert 0 < kept[1] < 0.5 * kept[0]


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (["--length", "512"], "model has 256 positions, and --length asks for 512"),
        (["--length", "2"], "The --length 2 leaves no room"),
        (["--steps", "0"], "The --steps 0 cannot be used"),
        (["--tokens", "100"], "Both --steps and --tokens say how long"),
        (["--distil-weight", "0"], "The --distil-weight 0 is no part"),
        (["--distil-temperature", "0"], "The --distil-temperature 0 cannot be used"),
        (["--weights", "de"], "--weights de cannot be read: write it like de=2"),
        (["--weights", "fr=1"], "No text is in the language fr"),
        (["--weights", "de=0"], "The weight of the language de is 0"),
        (["--fsdp"], "--fsdp shares a model among processes, and there is one"),
        (["--compare", "source"], "--compare source asks for the model that pruning.json names"),
        (["--heldout", "0.6"], "a --heldout between 0 and 0.5"),
    ],
)
def test_flags_that_cannot_be_used(
    texts: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], fault: str
) -> None:
    given = flags_of(texts, tiny_folder, tmp_path / "run")
    if flags[0] in given:
        at = given.index(flags[0])
        del given[at : at + 2]
    assert run_pretrain(*given, *flags) in (1, 2)
    told = capsys.readouterr().err
    assert fault in told and "Traceback" not in told
    assert not (tmp_path / "run/run.json").exists()


def test_texts_and_models_that_cannot_be_used(
    texts: Path, pruned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = write_beir(tmp_path / "empty", [])
    assert run_pretrain(*flags_of(empty, pruned, tmp_path / "a")) == 1
    other = write_tiny_llama(tmp_path / "other", seed=1)
    (other / "tokenizer.json").write_text((pruned / "tokenizer.json").read_text())
    assert run_pretrain(*flags_of(texts, pruned, tmp_path / "b"), "--distil-from", str(other)) == 1
    (tmp_path / "c").mkdir()
    (tmp_path / "c/mine.txt").write_text("x")
    assert run_pretrain(*flags_of(texts, pruned, tmp_path / "c")) == 2
    assert [path.name for path in (tmp_path / "c").iterdir() if path.name != ".lock"] == ["mine.txt"]
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert len(told) == 3
    assert "give the model that it was pruned from" in told[1] and "is not empty and no run" in told[2]


def test_texts_of_one_language_are_warned_of(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = write_chunked(tmp_path / "texts", documents(20, languages=["en"]))
    assert run_pretrain(*flags_of(texts, tiny_folder, tmp_path / "run"), "--dry-run") == 0
    assert "All texts are in one language, en: what the model knows of others will be lost." in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_killed_at_random_points_ends_as_if_it_had_not_been(
    texts: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    flags = [flag if flag != "4" else "24" for flag in flags_of(texts, tiny_folder, tmp_path / "whole")]
    flags[flags.index("--batch") + 1] = "2"
    command = [sys.executable, "-m", "drama_train", "pretrain"]
    environment = alone_on_one_thread()
    subprocess.run([*command, *flags], env=environment, check=True, capture_output=True)
    flags[flags.index("--out") + 1] = str(tmp_path / "killed")
    draw = random.Random(time.time_ns())
    log = tmp_path / "killed/log.jsonl"
    for lines in (draw.randrange(1, 8), draw.randrange(8, 16), draw.randrange(16, 30)):
        process = subprocess.Popen([*command, *flags], env=environment, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not log.exists() or log.read_bytes().count(b"\n") < lines):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "killed/run.json").exists()
    subprocess.run([*command, *flags], env=environment, check=True, capture_output=True)
    assert losses_of(tmp_path / "killed") == losses_of(tmp_path / "whole") and len(losses_of(tmp_path / "whole")) == 24
    assert heldout_of(tmp_path / "killed") == heldout_of(tmp_path / "whole")
    one, two = (load_file(tmp_path / name / "model/model.safetensors") for name in ("whole", "killed"))
    assert one.keys() == two.keys() and all(torch.equal(two[name], weight) for name, weight in one.items())


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", [False, True])
def test_two_processes_are_one(texts: Path, pruned: Path, tiny_folder: Path, tmp_path: Path, fsdp: bool) -> None:
    """torchrun with two: the same losses and weights as one process with the whole batch, beyond rounding."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    for name, first, more in (("one", [sys.executable, "-m"], []), ("two", start, ["--fsdp"] if fsdp else [])):
        flags = [*flags_of(texts, pruned, tmp_path / name), "--distil-from", str(tiny_folder), *more]
        command = [*first, "drama_train", "pretrain", *flags]
        done = subprocess.run(command, env=alone_on_one_thread(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("step      4/4  loss") == 1
    losses, heldout = ([made(tmp_path / name) for name in ("one", "two")] for made in (losses_of, heldout_of))
    assert [loss for _, loss, _ in losses[1]] == pytest.approx([loss for _, loss, _ in losses[0]], rel=1e-4)
    for (_, one), (_, two) in zip(*heldout, strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    weights = [load_file(tmp_path / name / "checkpoints/last/model/model.safetensors") for name in ("one", "two")]
    before = load_file(pruned / "model.safetensors")
    assert weights[0].keys() == weights[1].keys() == before.keys()
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, atol=2e-4, rtol=0)
        assert (weight - before[name]).abs().max() > 5e-4
    optimizers = [load_file(tmp_path / name / "checkpoints/last/optimizer.safetensors") for name in ("one", "two")]
    assert optimizers[0].keys() == optimizers[1].keys()
    assert all(optimizers[1][name].shape == one.shape for name, one in optimizers[0].items())
