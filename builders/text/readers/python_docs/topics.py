"""Python's own help topics (statements, operators, conversions), which pydoc keeps as text."""

import re
from collections.abc import Iterator

from builders.text.readers.python_docs.docstrings import Docs

TOPICS = "topics"
ADORNMENT = re.compile(r"^[*=\-~^#+]{3,}\n?", re.M)


def topic_docs() -> Iterator[Docs]:
    """Each topic, its headings without the lines under them."""
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield Docs(f"{TOPICS}.{name}", ADORNMENT.sub("", topics[name]).strip(), 0)
