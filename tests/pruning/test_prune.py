"""`python -m drama_train prune`: from flags to a smaller model, again, stopped and gone on, in hops."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from builders.cli.errors import UserError
from builders.store.schemas import first_fault, load_schema
from drama_train.__main__ import main
from drama_train.language_model import load_language_model
from drama_train.pretraining.perplexity import HELDOUT_BLOCKS, heldout_losses
from drama_train.pretraining.texts import open_texts
from drama_train.pretraining.tokens import tokenized
from drama_train.pruning import learning, making
from drama_train.pruning.facts import origin_of, read_pruning, recovered_on, write_pruning
from drama_train.pruning.hooks import masked
from drama_train.pruning.masks import Keep, masks_of
from drama_train.pruning.shape import block_parameters, shape_of
from drama_train.pruning.slicing import sliced
from drama_train.retriever import load_retriever
from tests.pretraining.making import documents
from tests.pruning.learning import any_steps
from tests.pruning.prune_runs import FILES, L0, TARGET, files_of, flags_of, holds_only, one_sentence

NOTES = {"name": "notes", "content_hash": "1", "licence": "MIT"}


def test_a_model_is_made_smaller(model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written is what the units of keep.json are of the source, and losses are those of both models."""
    out = tmp_path / "small"
    assert main(flags_of(model, texts, out)) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(out) and holds_only(tmp_path, "small")
    assert "hidden          128         96" in told.err and "importance: 24 of 24 texts" in told.err
    assert {one.name for one in out.iterdir()} == FILES
    source, made = load_language_model(str(model)), load_language_model(str(out))
    assert shape_of(made.model.config) == TARGET
    keep = Keep.of(json.loads((out / "keep.json").read_text()))
    expected = sliced(source.model, keep).state_dict()
    assert all(torch.equal(one, expected[name]) for name, one in made.model.state_dict().items())
    ids = torch.arange(40).view(2, 20)
    with torch.no_grad(), masked(source.model, masks_of(keep, source.model.config)):
        torch.testing.assert_close(made.model(ids).logits, source.model(ids).logits, atol=2e-4, rtol=1e-4)
    pruning = read_pruning(out)
    assert pruning is not None
    tokens = tokenized(tmp_path / "tokens", [open_texts(str(texts))], made.tokenizer, block=32, heldout=0.2)
    for name, of in (("source", source), ("cut", made)):
        found = heldout_losses(of.model, tokens, blocks=HELDOUT_BLOCKS, batch=4)
        assert pruning["losses"][name] == {code: pytest.approx(one.loss, abs=1e-5) for code, one in found.items()}
        assert found and all(f"{one.loss:.3f}" in told.err for one in found.values())
    own = {"hop_steps", "learning", "recovery"}  # of other runs
    assert set(pruning) == set(load_schema("pruning")["properties"]) - own
    assert pruning["parameters"]["target"] == {
        "blocks": block_parameters(TARGET, 32),
        "embeddings": 512 * 96,
        "head": 0,
    }
    assert (pruning["source_shape"], pruning["target_shape"]) == ("2x128x4x2x256", "1x96x2x1x100")
    assert str(tmp_path) not in json.dumps(pruning)
    assert origin_of(str(out)) == {
        **pruning["source"],
        "source_shape": "2x128x4x2x256",
        "target_shape": str(TARGET),
        "pick": "importance",
        "recovery": None,
        "learned_from": [],
        "pruned_from": None,
    }
    assert load_retriever(str(out)).encode(["rivers of the north"], "query").shape == (1, 96)


def test_a_pruned_model_that_is_pruned_again_tells_of_both(model: Path, texts: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(flags_of(model, texts, first, "--pick", "magnitude", "--shape", "2x96x2x1x120")) == 0
    write_pruning(first, recovered_on(read_pruning(first) or {}, 2, 64, [NOTES]))
    assert main(flags_of(first, texts, second, "--pick", "magnitude")) == 0
    told, before = read_pruning(second), origin_of(str(first))
    assert told is not None and told["origin"] == before and told["source"]["id"] == "first"
    found = origin_of(str(second))
    assert found is not None and found["learned_from"] == [NOTES] and found["pruned_from"] == before
    assert before is not None and before["id"] == model.name


@pytest.mark.parametrize("pick", ["importance", "magnitude", "random"])
def test_another_pick_keeps_other_units(model: Path, texts: Path, tmp_path: Path, pick: str) -> None:
    keeps = []
    for seed in ("0", "1"):
        out = tmp_path / seed
        assert main(flags_of(model, texts, out, "--pick", pick, "--seed", seed, "--shape", "2x96x2x2x100")) == 0
        keeps.append(Keep.of(json.loads((out / "keep.json").read_text())))
        assert [len(keeps[-1].hidden), len(keeps[-1].heads[1]), len(keeps[-1].intermediate[0])] == [96, 2, 100]
    assert (keeps[0] == keeps[1]) is (pick == "magnitude")


def test_what_is_there_is_not_made_again_and_other_flags_are_refused(
    model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small"
    assert main(flags_of(model, texts, out)) == 0
    before = files_of(out)
    capsys.readouterr()
    assert main(flags_of(model, texts, out)) == 0
    told = capsys.readouterr()
    assert f"already pruned: {out}" in told.err and told.out.strip() == str(out)
    for flags, fault in (
        (["--seed", "1"], "its seed is 0, and would be 1"),
        (["--pick", "random"], "its pick is importance, and would be random"),
        (["--shape", "1x96x2x1x99"], "its shape is 1x96x2x1x100, and would be 1x96x2x1x99"),
    ):
        assert main(flags_of(model, texts, out, *flags)) == 2
        assert f"{out} was pruned otherwise: {fault}; name another --out." in one_sentence(capsys.readouterr().err)
    assert files_of(out) == before and holds_only(tmp_path, "small")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"{", r"pruning\.json is damaged \(.*\): make the model again"),
        (b"[]", r"pruning\.json is damaged \(it is no JSON object\)"),
        (b"\xff", r"pruning\.json is damaged"),
        (b"{}", r"pruning\.json does not follow pruning\.schema\.json \('source' is a required property\): was it"),
        (b'{"source": {"id": 3}}', r"\(source\.id: 3 is not of type 'string'\)"),
        (b'{"source": {"id": "x"}, "colour": 1}', r"Additional properties are not allowed \('colour' was unexpected\)"),
        (b'{"source": {"id": "x"}, "target_shape": "12x3"}', r"\(target_shape: '12x3' does not match"),
    ],
)
def test_a_damaged_pruning_json_is_named(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "pruning.json").write_bytes(content)
    with pytest.raises(UserError, match=fault):
        read_pruning(tmp_path)


def test_what_breaks_the_schema_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="what pruning tells broke its schema: hops: 3 is greater than the maximum of 2"
    ):
        write_pruning(tmp_path, {"source": {"id": "x"}, "hops": 3})
    assert holds_only(tmp_path)
    assert first_fault("pruning", {"source": {"id": "x", "revision": None}}) is None


def test_a_folder_of_something_else_is_left_as_it_is(
    model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    assert main(flags_of(model, texts, tmp_path / "mine")) == 2
    assert "mine is there and holds no pruned model: name another --out." in one_sentence(capsys.readouterr().err)
    assert files_of(tmp_path / "mine") == {"notes.txt": b"x"}


def test_gates_are_learned_and_the_way_is_kept(
    short: None, model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small"
    assert main(flags_of(model, texts, out, *L0)) == 0
    told = capsys.readouterr().err
    assert {one.name for one in out.iterdir()} == FILES | {"l0.jsonl", "sparsity.svg"} and holds_only(tmp_path, "small")
    lines = [json.loads(line) for line in (out / "l0.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13)) and told.count("\nl0 ") == 12
    svg = (out / "sparsity.svg").read_text()
    assert svg.startswith("<?xml") and "</svg>" in svg and "<script" not in svg
    assert read_pruning(out)["learning"]["mask_lr"] == 2.5  # type: ignore[index]
    config = json.loads((out / "config.json").read_text())
    assert config["tie_word_embeddings"] is True
    made = load_language_model(str(out)).model
    source = load_language_model(str(model)).model
    keep = Keep.of(json.loads((out / "keep.json").read_text()))
    untrained = sliced(source, keep).state_dict()
    assert shape_of(made.config) == TARGET
    assert not any(torch.equal(one, untrained[name]) for name, one in made.state_dict().items())


@pytest.mark.slow
def test_folded_gates_untie_the_embeddings(short: None, model: Path, texts: Path, tmp_path: Path) -> None:
    """Of the same learning: rows of the embeddings are the others' times the gate, and the head is not."""
    for name, more in (("whole", []), ("folded", ["--fold"])):
        assert main(flags_of(model, texts, tmp_path / name, *L0, *more)) == 0
    whole, folded = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "folded"))
    assert set(folded) - set(whole) == {"lm_head.weight"}
    assert json.loads((tmp_path / "folded" / "config.json").read_text())["tie_word_embeddings"] is False
    assert torch.equal(folded["lm_head.weight"], whole["model.embed_tokens.weight"])
    gates = folded["model.embed_tokens.weight"] / whole["model.embed_tokens.weight"]
    torch.testing.assert_close(gates, gates[:1].expand_as(gates), atol=1e-4, rtol=0)
    assert float(gates.min()) > 0 and 0.4 < float(gates.max()) < 1
    assert read_pruning(tmp_path / "folded")["parameters"]["target"]["head"] == 512 * 96  # type: ignore[index]
    assert load_language_model(str(tmp_path / "folded")).model.lm_head.weight.shape == (512, 96)


def test_a_run_that_is_stopped_goes_on_and_ends_the_same(
    short: None,
    model: Path,
    texts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In step 7, the last checkpoint being of step 4. Other flags do not go on from it."""
    whole, out = tmp_path / "whole", tmp_path / "small"
    assert main(flags_of(model, texts, whole, *L0)) == 0
    own = learning.l0_step

    def stopped(*given: Any) -> Any:
        if given[4] == 7:
            raise KeyboardInterrupt
        return own(*given)

    with monkeypatch.context() as patch:
        patch.setattr(learning, "l0_step", stopped)
        assert main(flags_of(model, texts, out, *L0)) == 130
    assert not out.exists() and (tmp_path / ".small.work").is_dir()
    capsys.readouterr()
    for flags, fault in ((["--seed", "1"], "its seed is 0, and would be 1"), (["--lr", "1e-3"], "its learning is {")):
        assert main(flags_of(model, texts, out, *L0, *flags)) == 2
        told = one_sentence(capsys.readouterr().err)
        assert f"{tmp_path / '.small.work'} is of a run with other flags, which was stopped: {fault}" in told
    assert main(flags_of(model, texts, out, *L0)) == 0
    told = capsys.readouterr().err
    assert "l0     5/12" in told and "l0     4/12" not in told
    made, expected = files_of(out), files_of(whole)
    assert all(made[name] == expected[name] for name in FILES)
    assert holds_only(tmp_path, "small", "whole")
    assert len(made["l0.jsonl"].splitlines()) == 12


@pytest.mark.parametrize("pick", [(), L0])
def test_two_hops_end_at_the_target(
    model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], pick: list[str]
) -> None:
    """Recovered between them; keep.json names units of the source, and l0 tells of both."""
    out = tmp_path / "small"
    with any_steps():
        assert main(flags_of(model, texts, out, "--hops", "2", "--hop-steps", "3", *pick)) == 0
    told = capsys.readouterr().err
    assert "first hop: 2x112x4x2x160" in told and "recovery between the hops: 3 steps" in told
    assert shape_of(load_language_model(str(out)).model.config) == TARGET
    keep = Keep.of(json.loads((out / "keep.json").read_text()))
    assert (len(keep.hidden), len(keep.heads[0]), len(keep.intermediate[0])) == (96, 2, 100)
    assert max(keep.hidden) < 128 and max(keep.intermediate[0]) < 256 and max(keep.heads[0]) < 4
    assert read_pruning(out)["hop_steps"] == 3  # type: ignore[index]
    logs = {one.name for one in out.iterdir()} - FILES
    assert logs == ({"l0.jsonl", "first-l0.jsonl", "sparsity.svg", "first-sparsity.svg"} if pick else set())
    assert holds_only(tmp_path, "small")


def test_a_run_that_is_stopped_between_its_hops_goes_on_and_ends_the_same(
    model: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other flags do not go on from what the first hop left."""
    hops = ["--hops", "2", "--hop-steps", "3"]
    assert main(flags_of(model, texts, tmp_path / "whole", *hops)) == 0
    out, own = tmp_path / "small", making.pick

    def stopped(made: Any, *given: Any) -> Any:
        if made.target == TARGET:
            raise KeyboardInterrupt
        return own(made, *given)

    with monkeypatch.context() as patch:
        patch.setattr(making, "pick", stopped)
        assert main(flags_of(model, texts, out, *hops)) == 130
    capsys.readouterr()
    assert main(flags_of(model, texts, out, *hops, "--pick", "random")) == 2
    told = one_sentence(capsys.readouterr().err)
    assert ".small.work is of a run with other flags, which was stopped: its pick is importance" in told
    assert main(flags_of(model, texts, out, *hops)) == 0
    made, expected = files_of(out), files_of(tmp_path / "whole")
    assert all(made[name] == expected[name] for name in FILES) and holds_only(tmp_path, "small", "whole")


def test_tokens_that_no_text_has_are_dropped(model: Path, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    assert main(flags_of(model, texts, out, "--vocabulary", "en")) == 0
    pruning = read_pruning(out)
    assert pruning is not None and len(pruning["tokens"]) < 512
    made, source = load_language_model(str(out)), load_language_model(str(model))
    assert made.model.get_input_embeddings().num_embeddings == len(pruning["tokens"])
    keep = Keep.of(json.loads((out / "keep.json").read_text()))
    expected = source.model.get_input_embeddings().weight[pruning["tokens"]][:, list(keep.hidden)]
    assert torch.equal(made.model.get_input_embeddings().weight, expected)
    text = documents(3)[1].text
    mapped = [pruning["tokens"][one] for one in made.tokenizer(text, add_special_tokens=False).input_ids]
    assert mapped == source.tokenizer(text, add_special_tokens=False).input_ids
