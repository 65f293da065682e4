"""Paths of the machine and secrets taken out of what a release tells of how it was made."""

import re
from typing import Any

# Where a path may begin inside a text: not in a URL, a tag or a word with a slash; after a colon (path:/a/b) with one
# slash, since two are a URL's. A path is two slashes at least, so that a model's switch such as /no_think stays.
_IN_TEXT = re.compile(
    r"(?:(?<![^\s\"'=(\[{,;`|+@“‘«])(?:file://|~|[A-Za-z]:)?[/\\]+|(?<=[^\W\d_]{2}:)[/\\](?![/\\]))"
    r"(?:[^\s/\\\"'`]+[/\\]+)+"
)
# Of a URL the user and password, and what follows a name such as token= in its query.
_USER = re.compile(r"(?<=://)[^\s/?#@]*:[^\s/?#]*@|(?<=://)[^\s/?#@]{12,}@")
_QUERY = re.compile(
    r"(?<=[?&])((?:api_?|access_?)?(?:key|token)|password|secret|sig(?:nature)?)=[^\s&#\"'(]+", re.IGNORECASE
)
_WHOLE = re.compile(r"(?:file://|~|[A-Za-z]:)?[/\\]+[^\n]*[/\\][^\n]*")
_TOKEN = re.compile(r"\b(hf_|sk-|ghp_|github_pat_|xox[a-z]-|AKIA)[A-Za-z0-9_-]{12,}")
_SECRET_KEY = re.compile(r"(?:^|_)(?:api_?key|access_?key|token|password|secret|authorization)$", re.IGNORECASE)
# Columns that name a model: a server may know it by a path of its machine.
MACHINERY = ("model", "retriever", "judge")
HIDDEN = "(left out)"


def redacted(value: Any) -> Any:
    """The JSON value with each path cut to its last part, and what looks like a secret left out.

    By the text alone and not by what this machine's folders are called, so that the same versions make the same release
    anywhere.
    """
    if isinstance(value, dict):
        return {redacted_text(k): HIDDEN if _is_secret(k, v) else redacted(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(v) for v in value]
    return redacted_text(value) if isinstance(value, str) else value


def redacted_text(text: str) -> str:
    """The same of one text. A path may hold spaces where it is all there is."""
    if _WHOLE.fullmatch(text):
        text = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    text = _QUERY.sub(rf"\1={HIDDEN}", _USER.sub("", _IN_TEXT.sub("", text)))
    return _TOKEN.sub(HIDDEN, text)


def _is_secret(key: str, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and bool(_SECRET_KEY.search(key))
