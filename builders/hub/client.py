"""The Hub's own client: its token, its manners, and a download that no cache answers."""

from pathlib import Path

from builders.hub.place import Repository

ANSWER_S = 300.0  # for one answer; the client itself waits for ever


def token() -> str | None:
    """The user's own, from HF_TOKEN or `hf auth login`."""
    from huggingface_hub import get_token

    return get_token()


def set_up_client() -> None:
    """No bars but ours, and no waiting for ever."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    get_session().timeout = ANSWER_S


def download(repository: Repository, path: str, revision: str, folder: Path) -> Path:
    """The file as the Hub gives it now, below the folder."""
    from huggingface_hub import hf_hub_download

    there = hf_hub_download(
        repository.name, path, repo_type=repository.kind, revision=revision, local_dir=folder, force_download=True
    )
    return Path(there)
