"""Licences: what is read, what each asks, and what binds a set of texts."""

import pytest

from builders.cards.licences import conditions, hub_identifier, known, link, parts, read_expression, strictest, warnings


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("mit", "MIT"),
        ("MIT OR  apache-2.0", "MIT OR Apache-2.0"),
        ("BSD 3-Clause License", "BSD-3-Clause"),
        ("MIT License", "MIT"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("llama3.1", "LicenseRef-llama3.1"),
        ("LicenseRef-Our-Terms", "LicenseRef-Our-Terms"),
        ("odc-by", "ODC-By-1.0"),
        ("creativeml-openrail-m", "LicenseRef-creativeml-openrail-m"),
        ("bsd", None),
        ("()", None),
        ("BSD", None),  # which of them?
        ("Apache", None),
        ("", None),
        ("MIT AND", None),
        ("LicenseRef-a b", None),
        ("<script>", None),
    ],
)
def test_a_licence_is_read_where_there_is_no_doubt(text: str, read: str | None) -> None:
    assert read_expression(text) == read


@pytest.mark.parametrize(
    ("name", "asks"),
    [
        ("CC0-1.0", set()),
        ("MIT", {"notice"}),
        ("CC-BY-4.0", {"notice", "attribution"}),
        ("ODC-By-1.0", {"notice", "attribution"}),
        ("CC-BY-NC-SA-4.0", {"notice", "attribution", "non-commercial", "share-alike"}),
        ("CC-BY-ND-4.0", {"notice", "attribution", "no-derivatives"}),
        ("GPL-3.0-only WITH GCC-exception-3.1", {"notice", "share-alike"}),
        ("ODbL-1.0", {"notice", "attribution", "share-alike"}),
        ("LicenseRef-llama3.1", {"notice", "use"}),
        ("LicenseRef-Our-Terms", {"unknown"}),
        ("BUSL-1.1", {"unknown"}),
    ],
)
def test_what_a_licence_asks(name: str, asks: set[str]) -> None:
    assert conditions(name) == asks


@pytest.mark.parametrize(
    ("expression", "bind"),
    [
        ("MIT", {"MIT"}),
        ("GPL-3.0-only OR MIT", {"MIT"}),  # whoever uses it may choose
        ("MIT AND CC-BY-4.0", {"MIT", "CC-BY-4.0"}),
        ("(GPL-3.0-only OR MIT) AND (CC-BY-NC-4.0 OR CC-BY-SA-4.0)", {"MIT", "CC-BY-SA-4.0"}),
        ("LicenseRef-Our-Terms OR CC-BY-ND-4.0", {"CC-BY-ND-4.0"}),
    ],
)
def test_what_binds_whoever_takes_the_freest_way(expression: str, bind: set[str]) -> None:
    assert parts(expression) == bind


@pytest.mark.parametrize(
    ("expressions", "binds", "warned"),
    [
        (["CC0-1.0"], "CC0-1.0", 0),
        (["CC0-1.0", "MIT"], "MIT", 0),
        (["MIT", "CC-BY-4.0", "CC-BY-SA-4.0"], "CC-BY-SA-4.0", 0),
        (["CC-BY-4.0", "CC-BY-NC-4.0"], "CC-BY-NC-4.0", 0),
        (["MIT", "Apache-2.0"], "Apache-2.0 AND MIT", 0),  # two notices, neither covers the other
        (["GPL-3.0-only OR MIT", "MIT"], "MIT", 0),
        (["CC-BY-SA-4.0", "GPL-3.0-or-later", "MIT"], "CC-BY-SA-4.0 AND GPL-3.0-or-later", 1),
        (["CC-BY-SA-3.0", "CC-BY-SA-4.0"], "CC-BY-SA-3.0 AND CC-BY-SA-4.0", 0),
        (["LGPL-3.0-only", "GPL-3.0-or-later"], "GPL-3.0-or-later AND LGPL-3.0-only", 0),
        (["CC-BY-SA-4.0", "CC-BY-NC-4.0"], "CC-BY-NC-4.0 AND CC-BY-SA-4.0", 1),
        (["CC-BY-ND-4.0", "CC-BY-4.0"], "CC-BY-ND-4.0", 1),
        (["LicenseRef-llama3.1", "MIT"], "LicenseRef-llama3.1", 1),
        (["LicenseRef-llama3.1", "LicenseRef-gemma"], "LicenseRef-gemma AND LicenseRef-llama3.1", 2),
        (["LicenseRef-Our-Terms", "MIT"], "LicenseRef-Our-Terms AND MIT", 1),
        # the way through an OR is the one that goes with the others
        (["CC-BY-SA-3.0", "GPL-2.0-or-later OR CC-BY-SA-3.0"], "CC-BY-SA-3.0", 0),
        (["MPL-2.0 OR GPL-3.0-only", "EUPL-1.2 OR GPL-3.0-only", "GPL-3.0-only"], "GPL-3.0-only", 0),
        (["GPL-2.0-only", "GPL-3.0-only"], "GPL-2.0-only AND GPL-3.0-only", 1),
        (["GPL-2.0-or-later", "GPL-3.0-only"], "GPL-2.0-or-later AND GPL-3.0-only", 0),
    ],
)
def test_the_strictest_is_one_licence_only_where_it_covers_the_others(
    expressions: list[str], binds: str, warned: int
) -> None:
    for given in (expressions, expressions[::-1]):
        assert strictest(given) == binds
        assert len(warnings(given)) == warned
    assert read_expression(binds) == binds


def test_many_choices_take_no_time() -> None:
    many = " AND ".join(f"(LicenseRef-a{n} OR LicenseRef-b{n} OR MIT)" for n in range(12))
    assert strictest([many, *(f"LicenseRef-c{n} OR Apache-2.0" for n in range(12))]) == "Apache-2.0 AND MIT"


def test_the_hubs_identifiers_are_read_as_themselves() -> None:
    hub = known()["hub"]
    for identifier in set(hub["identifiers"]) - set(hub["families"]):
        read = read_expression(identifier)
        assert read is not None and hub_identifier(read) == identifier


def test_the_hubs_identifiers() -> None:
    told = {
        "MIT": "mit",
        "GPL-3.0-or-later": "gpl-3.0",
        "GFDL-1.3-only": "gfdl",
        "ODbL-1.0": "odbl",
        "LicenseRef-llama3.2": "llama3.2",
        "PSF-2.0": None,
        "LicenseRef-Our-Terms": None,
    }
    assert {name: hub_identifier(name) for name in told} == told
    assert link("PSF-2.0") == "https://spdx.org/licenses/PSF-2.0.html"
    assert link("LicenseRef-Our-Terms") is None


def test_the_list_of_what_is_known_is_consistent() -> None:
    found = known()
    for name, licence in found["licences"].items():
        assert set(licence["conditions"]) <= set(found["conditions"])
        assert hub_identifier(name)
    for text in [*found["models"].values(), *found["stated"].values(), *found["hub"]["of"]]:
        assert read_expression(text) == text
        assert "unknown" not in conditions(text)
