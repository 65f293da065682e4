"""The local engine, computed twice: with and without the prefix cache, alone and in company."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.llm.decoding import Prefix, make_row, read_prefix, shared_prefix
from builders.llm.local_engine import LocalEngine, LocalOptions, batches
from builders.llm.requests import Model, Reply, Request, Sampling
from builders.llm.token_sampling import Draw, choose
from builders.llm.weights import pinned_model
from tests.llm.making import ask
from tests.llm.tiny_llama import one_thread, write_tiny_llama

WARM = Sampling(1.0, 0.9, 14)
SHOTS = "You write queries. " + "The rivers of the north are cold and long. " * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with one_thread():
        yield write_tiny_llama(tmp_path_factory.mktemp("tiny-llama"))


def engine_of(folder: Path, **changes: object) -> LocalEngine:
    chosen: dict[str, Any] = {"dtype": "float32", "device": "cpu"} | changes
    return LocalEngine(Model(str(folder), "test"), LocalOptions(**chosen))


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[LocalEngine]:
    engine = engine_of(folder)
    yield engine
    engine.close()


def texts(engine: LocalEngine, requests: list[Request]) -> dict[str, tuple[str, str]]:
    return {reply.key: (reply.text, reply.finish) for reply in engine.generate(requests)}


def passages(number: int, **changes: Any) -> list[Request]:
    return [ask(f"passage {at} " + "cold river " * (at % 9), system=SHOTS, **changes) for at in range(number)]


@pytest.mark.parametrize("sampling", [Sampling(0.0, 1.0, 14), WARM])
def test_with_the_prefix_cache_is_as_without(folder: Path, sampling: Sampling) -> None:
    requests = passages(17, sampling=sampling)
    cached, plain = engine_of(folder), engine_of(folder, prefix_cache=False)
    with_cache, without = texts(cached, requests), texts(plain, requests)
    assert len(cached._prefix.tokens) > 50
    assert plain._prefix.tokens == ()
    assert with_cache == without
    # Against two nothings being equal:
    assert len({text for text, _ in with_cache.values()}) > 8


def test_logits_with_the_prefix_cache_agree_with_a_plain_forward(engine: LocalEngine) -> None:
    import torch

    from builders.llm.decoding import _Batch

    requests = passages(6)
    rows = [make_row(request, engine._prompt(request)) for request in requests]
    shared = shared_prefix([row.prompt for row in rows])
    seen: list[torch.Tensor] = []
    model = engine._model

    class Watched:
        device = model.device

        def __call__(self, **arguments: Any) -> Any:
            result = model(**arguments)
            seen.append(result.logits[:, -1])
            return result

    batch = _Batch(Watched(), rows, read_prefix(model, shared))
    batch.step(frozenset())
    batch.step(frozenset())
    for at, row in enumerate(rows):
        for step in (0, 1):
            with torch.inference_mode():
                plain = model(torch.tensor([row.prompt + row.reply[:step]])).logits[0, -1]
            torch.testing.assert_close(seen[step][at], plain, rtol=1e-4, atol=1e-4)
            assert plain.std() > 0.1


@pytest.mark.parametrize("sampling", [Sampling(0.0, 1.0, 14), WARM])
def test_a_row_is_the_same_in_any_company(folder: Path, sampling: Sampling) -> None:
    requests = passages(12, sampling=sampling)
    together = texts(engine_of(folder), requests)
    alone: dict[str, tuple[str, str]] = {}
    lonely = engine_of(folder, batch_rows=1)
    for request in requests:
        alone |= texts(lonely, [request])
    small = texts(engine_of(folder, batch_rows=3, window=5), requests[::-1])
    assert together == alone == small
    assert len({text for text, _ in together.values()}) > 6


def test_greedy_replies_are_those_of_transformers(engine: LocalEngine) -> None:
    import torch

    requests = passages(5)
    ours = {reply.key: reply for reply in engine.generate(requests)}
    for request in requests:
        prompt = engine._prompt(request)
        with torch.inference_mode():
            theirs = engine._model.generate(torch.tensor([prompt]), max_new_tokens=16, do_sample=False)[0]
        assert ours[request.key].text == engine._tokenizer.decode(theirs[len(prompt) :], skip_special_tokens=True)


def test_rows_that_end_leave_and_the_others_go_on(engine: LocalEngine) -> None:
    requests = [ask(f"passage {n}", sampling=Sampling(1.0, 1.0, 1 + n * 5)) for n in range(8)]
    replies = list(engine.generate(requests))
    lengths = {reply.key: reply.reply_tokens for reply in replies}
    assert all(lengths[request.key] <= request.sampling.max_tokens for request in requests)
    assert replies[0].key == requests[0].key
    assert len(set(lengths.values())) > 4


def test_seeds_and_keys_both_tell_draws_apart(engine: LocalEngine) -> None:
    by_seed = texts(engine, [ask("river", sampling=WARM, seed=seed) for seed in range(6)])
    assert len(set(by_seed.values())) == 6


def test_a_window_that_shares_another_prefix_is_answered_with_its_own(folder: Path) -> None:
    first = passages(4)
    second = [ask(f"passage {at}", system="Mountains are high. " * 8) for at in range(4)]
    both = engine_of(folder, window=4)
    plain = engine_of(folder, window=4, prefix_cache=False)
    assert texts(both, first + second + first[:1]) == texts(plain, first + second + first[:1])


def test_the_shared_prefix() -> None:
    assert shared_prefix([[1, 2, 3], [1, 2, 4], [1, 2, 3, 9]]) == (1, 2)
    assert shared_prefix([[1, 2], [1, 2]]) == (1,)
    assert shared_prefix([[1], [1, 2]]) == ()
    assert shared_prefix([[5], [6]]) == ()


def test_batches_stay_within_the_token_budget() -> None:
    rows = [make_row(ask(str(n), sampling=Sampling(0.0, 1.0, 10)), [1] * n) for n in (90, 50, 50, 20, 20, 20, 5)]
    cut = list(batches(rows, 130, 4))
    assert [row for batch in cut for row in batch] == rows
    assert [len(batch) for batch in cut] == [1, 2, 4]
    widths = [len(batch) * (len(batch[0].prompt) + 10) for batch in cut if len(batch) > 1]
    assert max(widths) <= 130


def test_the_nucleus_holds_at_least_the_likeliest_and_no_more_than_top_p() -> None:
    import torch

    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().repeat(1000, 1)
    streams = [torch.Generator().manual_seed(seed) for seed in range(1000)]

    def drawn(top_p: float, temperature: float = 1.0) -> "torch.Tensor":
        return choose(logits, [Draw(temperature, top_p, stream) for stream in streams]).bincount(minlength=4) / 1000

    assert drawn(1.0).allclose(torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.05)
    assert drawn(0.7).allclose(torch.tensor([0.625, 0.375, 0.0, 0.0]), atol=0.06)
    assert drawn(0.01).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert drawn(1.0, 0.0).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_model_without_a_chat_template_is_a_users_mistake(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.name != "chat_template.jinja":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match="no chat template"):
        LocalEngine(Model(str(tmp_path), "test"))


def test_a_folder_is_pinned_by_its_files(folder: Path, tmp_path: Path) -> None:
    model = pinned_model(str(folder), None)
    assert model == pinned_model(str(folder), None)
    assert model.revision.startswith("blake2b-")
    assert pinned_model(str(write_tiny_llama(tmp_path, seed=1)), None).revision != model.revision
    assert pinned_model("someone/model", "a" * 40) == Model("someone/model", "a" * 40)
    with pytest.raises(UserError, match=r"no config\.json"):
        pinned_model(str(Path(__file__).parent), None)


def test_seconds_are_shared_out(engine: LocalEngine) -> None:
    replies: list[Reply] = list(engine.generate(passages(6)))
    assert all(reply.seconds > 0 for reply in replies)
    assert engine._prefix != Prefix((), None)
