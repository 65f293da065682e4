"""The text of the prompt that a version was made with."""

from builders.cli.errors import UserError
from builders.llm.prompts import prompt_version
from builders.store.resources import folder
from builders.store.versions import Version


def prompt_text(version: Version) -> str | None:
    """The whole prompt file as it was then: from the manifest, or the shipped file where it is still the same.

    None where no prompt was used. UserError where its text is found nowhere.
    """
    prompt = version.manifest["identity"]["prompt"]
    if prompt is None:
        return None
    name = str(prompt["name"])
    kept = version.manifest.get("facts", {}).get("prompt_text")
    if kept is not None and prompt_version(name, kept) == prompt["version"]:
        return str(kept)
    shipped = folder("prompts") / f"{name}.toml"
    if not shipped.is_file():
        raise UserError(
            f"{version} was made with the prompt {prompt['version']}, a file of your own whose text its manifest does "
            f"not hold: put it at {shipped}, or make {version.table} again, which keeps the text."
        )
    text = shipped.read_bytes().decode()
    if prompt_version(name, text) != prompt["version"]:
        raise UserError(
            f"{version} was made with the prompt {prompt['version']}, and {shipped} has changed since (it is "
            f"{prompt_version(name, text)} now): put the old text back, or make {version.table} again."
        )
    return text
