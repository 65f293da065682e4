import json
from pathlib import Path

import pytest

from builders.store.schemas import first_fault
from drama_train.pruning.facts import origin_of, recovered_on, united, write_pruning

CUT, NOTES, GUIDES = ({"name": name, "content_hash": name, "licence": None} for name in ("cut", "notes", "guides"))


def _origin(folder: Path, told: dict[str, object]) -> dict[str, object]:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    write_pruning(folder, told)
    origin = origin_of(str(folder))
    assert origin is not None and first_fault("run", {"model": {"id": "small", "pruned_from": origin}}) is None
    return origin


def test_recoveries_add_up() -> None:
    """Texts that two runs read are told once; a run whose first step was its best read none."""
    told = recovered_on({"source": {"id": "base"}}, 2, 20, [NOTES])
    told = recovered_on(told, 3, 30, [NOTES, GUIDES])
    assert told["recovery"] == {"steps": 5, "tokens": 50, "texts": [NOTES, GUIDES]}
    assert recovered_on(told, 0, 0, [CUT]) == told


def test_a_text_is_told_once_with_the_licence_that_is_known_of_it() -> None:
    edited = NOTES | {"content_hash": "other"}
    assert united([NOTES, CUT], [NOTES | {"licence": "MIT"}, edited]) == [NOTES | {"licence": "MIT"}, CUT, edited]
    assert NOTES["licence"] is None


@pytest.mark.parametrize(
    ("cut", "learned"),
    [
        ({"pick": "importance", "hops": 1}, [NOTES]),
        ({"pick": "l0", "hops": 1}, [CUT, NOTES]),
        ({"pick": "importance", "hops": 2}, [CUT, NOTES]),
    ],
)
def test_what_weights_learned_from(tmp_path: Path, cut: dict[str, object], learned: list[object]) -> None:
    """Importance reads its texts, and changes no weight."""
    told = recovered_on({"source": {"id": "base"}, "texts": [CUT], **cut}, 2, 20, [NOTES])
    assert _origin(tmp_path / "small", told)["learned_from"] == learned


def test_a_model_that_is_cut_again_tells_all_that_it_came_from(tmp_path: Path) -> None:
    first = recovered_on({"source": {"id": "base"}, "pick": "importance", "hops": 1, "texts": [CUT]}, 2, 20, [NOTES])
    before = _origin(tmp_path / "first", first)
    second = {"source": {"id": "first"}, "origin": before, "pick": "l0", "hops": 1, "texts": [GUIDES]}
    found = _origin(tmp_path / "second", json.loads(json.dumps(second)))
    assert (found["id"], found["pruned_from"]) == ("first", before)
    assert found["learned_from"] == [NOTES, GUIDES] and found["recovery"] is None
