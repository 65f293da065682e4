"""A stopped run goes on by its own flags alone."""

from pathlib import Path

import pytest

from builders.cli.errors import UserError
from drama_train.pruning.work_folder import CUT_TOKENS, HOP, LEARNED, LEARNED_HOP, TOKENS, settle_flags, work_folder

FLAGS = {"seed": 0, "vocabulary": ("de",), "reading": {"length": 64}}


def test_work_stands_beside_the_folder(tmp_path: Path) -> None:
    assert work_folder(tmp_path / "out") == tmp_path / ".out.work"


@pytest.mark.parametrize("learned", [LEARNED, LEARNED_HOP, HOP])
def test_what_was_learned_by_other_flags_is_not_gone_on_from(tmp_path: Path, learned: str) -> None:
    settle_flags(tmp_path, FLAGS)
    (tmp_path / learned).mkdir()
    settle_flags(tmp_path, FLAGS)
    with pytest.raises(UserError, match="its seed is 0, and would be 1; give the same flags") as fault:
        settle_flags(tmp_path, FLAGS | {"seed": 1})
    assert fault.value.exit_code == 2
    settle_flags(tmp_path, FLAGS)
    assert (tmp_path / learned).is_dir()


def test_tokens_alone_are_made_again(tmp_path: Path) -> None:
    settle_flags(tmp_path, FLAGS)
    for name in (TOKENS, CUT_TOKENS):
        (tmp_path / name).mkdir()
    settle_flags(tmp_path, FLAGS)
    assert (tmp_path / TOKENS).is_dir() and (tmp_path / CUT_TOKENS).is_dir()
    settle_flags(tmp_path, FLAGS | {"reading": {"length": 32}})
    assert not (tmp_path / TOKENS).exists() and not (tmp_path / CUT_TOKENS).exists()


@pytest.mark.parametrize("damage", ["{", "[]", None])
def test_what_nobody_knows_the_flags_of_is_not_gone_on_from(tmp_path: Path, damage: str | None) -> None:
    (tmp_path / HOP).mkdir()
    if damage is not None:
        (tmp_path / "flags.json").write_text(damage)
    with pytest.raises(UserError, match="delete that folder"):
        settle_flags(tmp_path, FLAGS)
