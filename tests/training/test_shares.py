"""Mixture files: the paper's shares by hand, what is refused, and how languages within a share are balanced."""

from pathlib import Path

import pytest

from builders.cli.errors import UserError
from drama_train.training.shares import Kind, read_shares, weights


def _kinds(**rows: int) -> dict[Kind, int]:
    return {Kind("r", *name.split("_")): count for name, count in rows.items()}


def test_the_paper_weighs_sources_two_to_one_to_one() -> None:
    kinds = _kinds(enweb_sent_en=30, enweb_qgen_en=10, mwiki_sent_de=7, mweb_rerank_th=1, judged_supervised_en=500)
    found = weights(read_shares("paper"), kinds, 1.0)
    by_name = {kind.source + "/" + kind.method: weight for kind, weight in found.items()}
    expected = {"enweb/sent": 0.3, "enweb/qgen": 0.1, "mwiki/sent": 0.2, "mweb/rerank": 0.2, "judged/supervised": 0.2}
    assert by_name == pytest.approx(expected)


@pytest.mark.parametrize(("balance", "expected"), [(1.0, [0.8, 0.2]), (0.5, [2 / 3, 1 / 3]), (0.0, [0.5, 0.5])])
def test_balance_lifts_what_is_rare(balance: float, expected: list[float]) -> None:
    found = weights(read_shares("rows"), _kinds(web_sent_en=400, web_sent_fi=100), balance)
    assert list(found.values()) == pytest.approx(expected)


def test_a_kind_belongs_to_the_first_share_it_fits_and_others_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text('[[share]]\nlanguage = "e?"\nweight = 3\n[[share]]\nmethod = ["sent", "qgen"]\nweight = 1\n')
    kinds = _kinds(web_sent_en=1, web_sent_es=1, web_qgen_de=1, web_rerank_de=9)
    found = weights(read_shares(str(path)), kinds, 1.0)
    assert {kind.language + kind.method: weight for kind, weight in found.items()} == pytest.approx(
        {"ensent": 0.375, "essent": 0.375, "deqgen": 0.25}
    )


def test_a_share_without_rows_is_named() -> None:
    with pytest.raises(
        UserError, match=r"No row fits the share of source enweb, method sent or qgen or rerank \(there"
    ):
        weights(read_shares("paper"), _kinds(web_sent_en=1), 1.0)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "has no \\[\\[share\\]\\]"),
        ("[share]\nweight = 1", "correct it"),
        ("[[shares]]\nweight = 1", "shares is unknown"),
        ("[[share]]\nwieght = 1", "wieght is unknown"),
        ("[[share]]\nweight = 0", "weight 0 of a share"),
        ("[[share]]\nweight = true", "weight True of a share"),
        ("[[share]]", "weight None of a share"),
        ("[[share]]\nweight = 1\nsource = []", r"source = \[\]"),
        ("[[share]\n", "cannot be used"),
        ("share = 3", "share is no"),
        ("share = [3]", "share is no"),
        ("# \udcff", "cannot be used .*utf-8"),
    ],
)
def test_what_is_no_mixture_is_refused(tmp_path: Path, content: str, fault: str) -> None:
    path = tmp_path / "m.toml"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=fault) as raised:
        read_shares(str(path))
    assert raised.value.exit_code == 2


def test_a_mixture_that_is_not_there() -> None:
    with pytest.raises(UserError, match="There is no mixture papr: give rows or paper"):
        read_shares("papr")
