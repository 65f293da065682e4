import json
from pathlib import Path

import pytest

from drama_train.pruning.facts import origin_of, recovered_on, write_pruning

CUT, NOTES, GUIDES = ({"name": name, "content_hash": name, "licence": None} for name in ("cut", "notes", "guides"))


def test_recoveries_add_up() -> None:
    """Texts that two runs read are told once."""
    told = recovered_on({"source": {"id": "base"}}, 2, 20, [NOTES])
    told = recovered_on(told, 3, 30, [NOTES, GUIDES])
    assert told["recovery"] == {"steps": 5, "tokens": 50, "texts": [NOTES, GUIDES]}


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
    (tmp_path / "config.json").write_text(json.dumps({}))
    write_pruning(tmp_path, told)
    origin = origin_of(str(tmp_path))
    assert origin is not None and origin["learned_from"] == learned
