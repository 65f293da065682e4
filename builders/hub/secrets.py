"""Words in the files of a folder that look like somebody's token or key."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from builders.cli.errors import UserError
from builders.hub.files import File, some

# Forms that the services publish themselves; long enough that prose and hashes do not meet them by chance.
PATTERNS = {
    "a Hugging Face token": rb"\bhf_[A-Za-z0-9]{30,}\b",
    "an OpenAI key": rb"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{32,}",
    "an Anthropic key": rb"\bsk-ant-[A-Za-z0-9_-]{32,}",
    "a GitHub token": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50,})",
    "an AWS key": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a Google key": rb"\bAIza[0-9A-Za-z_-]{35}",
    "a Slack token": rb"\bxox[abprs]-[0-9A-Za-z-]{20,}",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
# The page holds rows, and so does Parquet: a corpus may well explain what a token looks like.
HOLDS_ROWS = (".parquet", "report.html")


def secrets_in(folder: Path, files: Iterable[File], token: str | None) -> Iterator[tuple[str, str]]:
    """(path, what it holds) of each file. The user's own token is looked for in every file that is no Parquet."""
    for file in files:
        if file.path.endswith(".parquet"):
            continue
        content = (folder / file.path).read_bytes()
        if token and token.encode() in content:
            yield file.path, "your token of the Hub"
        elif not file.path.endswith(HOLDS_ROWS):
            yield from ((file.path, what) for what, pattern in PATTERNS.items() if re.search(pattern, content))


def refuse_secrets(folder: Path, files: Iterable[File], token: str | None) -> None:
    """UserError names the files that seem to hold one."""
    found = [f"{path} ({what})" for path, what in secrets_in(folder, files, token)]
    if found:
        raise UserError(f"{folder} is not published, because it seems to hold a secret: {some(found)}.")
