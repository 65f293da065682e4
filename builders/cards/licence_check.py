"""Whether the licences of a release can be told, asked before anything of it is written."""

from collections.abc import Mapping

from builders.cards.licence_facts import check_names, model_facts, source_licences
from builders.cards.licences import read_expression
from builders.cards.released import released
from builders.cards.rows import rows_of
from builders.cli.progress import say
from builders.store.version_sets import VersionSet


def check_licences(versions: VersionSet, licences: Mapping[str, str], memory: str) -> None:
    """UserError where a source or a model that wrote texts has no licence, or one is given for what is not there."""
    given = released(versions)
    models = model_facts(versions, licences)
    with rows_of(memory) as rows:
        check_names(rows, given, licences)
        sources = source_licences(rows, given, licences, models)
    for name in licences.keys() & sources.keys():
        stated = [one["licence"] for one in sources[name] if one["stated"] and read_expression(one["stated"])]
        if len(stated) == len(sources[name]):
            say(
                f"--licence {name}={licences[name]} changes nothing: all documents of {name} state theirs, "
                f"{' and '.join(sorted(set(stated)))}."
            )
