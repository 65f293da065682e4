"""A small set of every table that checks read, in which nothing is wrong."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from builders import candidates, supervised
from builders.store.versions import all_versions
from tests import judged_sets
from tests.making import rows_of
from tests.retrieval.making import HashEncoder
from tests.triplet_making import NO_WINDOWS, make, write

CUT = {"positives": (1, 2), "negatives": (6, 12), "least": 3, "own": False}


@pytest.fixture(scope="session")
def checked(searched: Path, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Triplets of all methods but `triplet`, with all that is behind them. To be read."""
    folder = tmp_path_factory.mktemp("checked")
    data = Path(shutil.copytree(searched, folder / "data"))
    sent = next(v for v in all_versions(data) if v.table == "candidates")
    asked = next(
        v for v in all_versions(data) if v.table == "queries" and v.manifest["stage"] == "builders.synthetic_queries"
    )
    qgen = candidates.main(candidates.Candidates(str(asked), data, k=12), HashEncoder())
    assert qgen is not None
    make(data, str(sent), **CUT)
    make(data, str(qgen), **CUT)
    judged = write(
        data, "preferences", "preference", [preference(row) for row in rows_of(qgen)], (qgen, *qgen.inputs())
    )
    make(data, str(judged), positives=(1, 1), negatives=(7, 12), least=3)
    source = judged_sets.beir(folder / "sea")
    said = supervised.main(supervised.Supervised(str(source), data=data, tokenizer=str(tokenizer_file)))
    make(data, str(said), **NO_WINDOWS)
    return data


def preference(row: dict[str, Any]) -> dict[str, Any]:
    """The judge swaps the first two."""
    order = [1, 0, *range(2, len(row["chunk_ids"]))]
    chunk_ids = [row["chunk_ids"][place] for place in order]
    own = row["chunk_id"]
    return {k: v for k, v in row.items() if k not in ("chunk_ids", "scores")} | {
        "own_rank": chunk_ids.index(own) + 1 if own in chunk_ids else None,
        "preference_method": "likelihood",
        "model": "judge@1",
        "prompt_version": "query_likelihood-1",
        "parse": None,
        "chunk_ids": chunk_ids,
        "judge_scores": [-float(place) for place in range(len(order))],
        "retriever_ranks": [place + 1 for place in order],
        "retriever_scores": [row["scores"][place] for place in order],
        "rank_agreement": None,
        "first_agreement": None,
        "replies": [],
    }


@pytest.fixture
def data(checked: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(checked, tmp_path / "data"))
