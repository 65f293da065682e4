"""What the Hub refuses, or a network loses, in one sentence for the user."""

from collections.abc import Iterator
from contextlib import contextmanager

from builders.cli.errors import UserError
from builders.hub.place import Repository

AGAIN = "What was sent is kept there: run the same command again."
_NO_ROOM = (402, 413, 507)


@contextmanager
def in_one_sentence(repository: Repository, doing: str) -> Iterator[None]:
    """Calls of the Hub inside the block raise UserError. `doing`: "sending files to", to go before the repository."""
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

    try:
        yield
    except (HTTPError, OfflineModeIsEnabled) as fault:
        raise UserError(_sentence(fault, repository, doing)) from fault
    except (RuntimeError, ValueError, OSError) as fault:
        # The client wraps what a thread of its own met in the first, an answer of the LFS store or a failed download
        # in the second; the third, without a number, is how Xet and a download of the wrong length are told.
        if isinstance(fault.__cause__, HTTPError):
            raise UserError(_sentence(fault.__cause__, repository, doing)) from fault
        if getattr(fault, "errno", None) is not None or not _is_the_clients(fault):
            raise
        raise UserError(_refused(_line(fault), repository, doing)) from fault


def _sentence(fault: Exception, repository: Repository, doing: str) -> str:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

    if isinstance(fault, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so the Hub is not asked: unset it and run this again."
    if not isinstance(fault, HfHubHTTPError):
        return f"The Hub did not answer when {doing} {repository.name} ({_line(fault)}). {AGAIN}"
    if isinstance(fault, GatedRepoError):
        return (
            f"{repository.name} is gated, and your token was not given access: ask for it at its page on the Hub, "
            "or publish to another repository."
        )
    status, said = fault.response.status_code, _said(fault)
    if "Invalid credentials" in said or (status == 401 and not isinstance(fault, RepositoryNotFoundError)):
        return "The Hub does not know your token: make one with the right to write, and log in with `hf auth login`."
    if isinstance(fault, RepositoryNotFoundError):
        return (
            f"There is no {repository.kind} {repository.name} on the Hub, or your token may not see it: "
            "check the name, or log in with `hf auth login` as someone who may."
        )
    return _of_status(status, said, repository, doing)


def _of_status(status: int, said: str, repository: Repository, doing: str) -> str:
    if status in _NO_ROOM or "storage limit" in said:
        return _refused(said, repository, doing)
    if status == 403:
        owner = repository.name.split("/")[0]
        return (
            f"Your token may not write to {repository.name} ({said}): log in with `hf auth login` "
            f"and a token that has the right to write as {owner}."
        )
    if status == 412:
        return (
            f"Someone else committed to {repository.name} while this was sent, so nothing was changed there: "
            "look at what they did, then run this again."
        )
    if status == 429:
        return f"The Hub asks to wait, after too many requests ({said}). {AGAIN}"
    if status >= 500:
        return f"The Hub failed when {doing} {repository.name} (status {status}, {said}). {AGAIN}"
    return f"The Hub refused {doing} {repository.name} (status {status}, {said}): mend that and run this again."


def _refused(said: str, repository: Repository, doing: str) -> str:
    if "storage limit" in said or "quota" in said.lower():
        return (
            f"The Hub has no room for this in {repository.name} ({said}): make room or get more storage, "
            "then run this again; what was sent is kept there."
        )
    return f"{doing.capitalize()} {repository.name} failed ({said}). {AGAIN}"


def _is_the_clients(fault: Exception) -> bool:
    """Raised by the client's own code about an answer, and not by a mistake of ours."""
    import traceback

    frames = traceback.extract_tb(fault.__traceback__)
    return bool(frames) and any(part in frames[-1].filename for part in ("huggingface_hub", "hf_xet"))


def _said(fault: Exception) -> str:
    return " ".join(str(getattr(fault, "server_message", None) or "no reason given").split())[:300]


def _line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:300] or type(fault).__name__
