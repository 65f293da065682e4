"""Names that the Hub takes, and semantic versions."""

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from builders.cli.errors import UserError
from builders.releases.names import check_name, check_repository, next_release, numbers_of

NAMES = ["handbook", "a", "A1._-b", "x" * 96, "v1.0", "a_", "0", "", "x" * 97, "-a", ".a", "a-", "a.", "a--b", "a..b"]
NAMES += ["a.git", "a/b", "a b", "é", "a\n", "a\\b", "日本"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_taken_where_the_hub_takes_it(name: str) -> None:
    """Stricter than the Hub's client in two things: letters are ASCII, and a name does not begin with an underscore."""
    try:
        validate_repo_id(name)
        taken = name.isascii() and not name.endswith("\n") and "/" not in name
    except HFValidationError:
        taken = False
    if taken:
        check_name(name, "--name")
        return
    with pytest.raises(UserError) as refused:
        check_name(name, "--name")
    assert str(refused.value).startswith(f"--name {name!r} cannot be a name on the Hub")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("repository", ["owner", "owner/", "/name", "a/b/c", "ow ner/name"])
def test_a_repository_is_an_owner_and_a_name(repository: str) -> None:
    check_repository("owner/name")
    with pytest.raises(UserError, match="--repository"):
        check_repository(repository)


@pytest.mark.parametrize("release", ["1.0.0", "v1.0", "v1.0.0.0", "v01.0.0", "v1.0.0-rc1", "v1.0.x", "", "v1.0.0\n"])
def test_a_semantic_version_has_one_form(release: str) -> None:
    with pytest.raises(UserError, match=r"is no semantic version: write it like v1\.0\.0"):
        numbers_of(release)


def test_versions_count_by_number_and_each_change_has_its_next() -> None:
    assert numbers_of("v1.10.0") > numbers_of("v1.9.99")
    assert [next_release("v1.2.3", change) for change in ("major", "minor", "patch")] == ["v2.0.0", "v1.3.0", "v1.2.4"]
