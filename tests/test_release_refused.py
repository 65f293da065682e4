"""What `python -m builders.release` refuses: versions, prompts and options that do not fit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders.cli.errors import UserError
from builders.release import Release, release
from builders.store.versions import Version
from tests.exports.making import triplet, written
from tests.releases.making import manifest_of, released, small


def prompted(data: Path, name: str, version: str) -> Version:
    """Triplets whose queries were made with a prompt that no manifest holds the text of."""
    made = small(data)
    queries = next(v for v in made.inputs() if v.table == "queries")
    path = queries.folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["identity"]["prompt"] = {"name": name, "version": version}
    path.write_text(json.dumps(manifest))
    return made


def test_a_prompt_whose_text_is_found_nowhere_is_named(stand_ins_used: None, tmp_path: Path) -> None:
    gone = prompted(tmp_path / "a" / "data", "mine", "mine-0123456789ab")
    with pytest.raises(
        UserError, match="with the prompt mine-0123456789ab, a file of your own whose text its manifest"
    ):
        released([gone], tmp_path / "out")
    changed = prompted(tmp_path / "b" / "data", "synthetic_query", "synthetic_query-0123456789ab")
    with pytest.raises(UserError, match=r"synthetic_query.toml has changed since \(it is synthetic_query-\w+ now\)"):
        released([changed], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_triplets_and_what_is_about_them_can_be_named(stand_ins_used: None, tmp_path: Path) -> None:
    data = tmp_path / "data"
    version = small(data)
    other = small(data, method="qgen")
    about = [
        written(data, table, "judgement", [[]], [one])
        for table, one in (("contamination", version), ("opinions", other))
    ]
    folder = released([version, about[0]], tmp_path / "out")
    named = [v["version"] for v in manifest_of(folder)["versions"] if v["is_named"]]
    assert named == [str(version), str(about[0])]
    (queries,) = [v for v in version.inputs() if v.table == "queries"]

    def fault(*versions: Version) -> str:
        with pytest.raises(UserError) as refused:
            release(Release("small", tuple(map(str, versions)), data=data, out=tmp_path / "no"))
        assert refused.value.exit_code == 2
        return str(refused.value)

    assert fault(queries).startswith(f"{queries} cannot be released by itself: name versions of triplets")
    assert fault().startswith("No version is named: name versions of triplets (`python -m builders.tables list`")
    assert fault(about[0]).startswith(f"{about[0]} hold no training rows: name versions of triplets")
    assert fault(version, about[1]).startswith(f"{about[1]} is about {other}, not in this release: name those triplets")
    revised = written(data, "triplets", "triplet", [[triplet("q1", ["d"], list("fghijkl"))]], [version, about[0]])
    assert fault(revised, version) == f"{revised} is a revision of {version}: name one of the two."
    assert [v["version"] for v in manifest_of(released([revised], tmp_path / "revised"))["versions"]][-1] == str(
        revised
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "my data"}, "--name 'my data' cannot be a name on the Hub"),
        ({"repository": "name"}, "--repository 'name' names no owner: give it as owner/name."),
        ({"repository": "me/my data"}, "--repository 'me/my data': 'my data' cannot be a name on the Hub"),
        ({"release": "1.0"}, "--release '1.0' is no semantic version: write it like v1.0.0."),
        ({"licence": ("MIT",)}, "--licence 'MIT' is not SOURCE=SPDX: write it like docs=CC-BY-4.0."),
        ({"licence": ("docs=",)}, "--licence 'docs=' is not SOURCE=SPDX"),
        ({"negatives": 0}, "--negatives 0 leaves nothing: give 1 or more."),
        ({"rows": 0}, "--rows 0 leaves nothing: give 1 or more."),
        ({"memory": "lots"}, "--memory 'lots' is no size: write it like 2GB or 500MB."),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], told: str) -> None:
    right = Release("a", ("triplets",), licence=("org/m=MIT", "a=b=CC0-1.0"))
    assert right.licences() == {"org/m": "MIT", "a=b": "CC0-1.0"}
    with pytest.raises(UserError) as refused:
        replace(right, **options)
    assert str(refused.value).startswith(told)
    assert refused.value.exit_code == 2
