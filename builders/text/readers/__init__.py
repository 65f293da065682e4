"""What a user points at (a file, a folder, a data set on the Hub, Python's documentation) as a source of documents."""

from builders.cli.errors import UserError
from builders.text.documents import Source
from builders.text.readers.columns import USUAL_COLUMNS, Columns

__all__ = ["Columns", "open_source"]


def open_source(
    spec: str,
    *,
    name: str | None = None,
    columns: Columns = USUAL_COLUMNS,
    config: str | None = None,
    split: str = "train",
) -> Source:
    """Open what `spec` points at, without reading its documents yet.

    `hf://owner/name@revision` is a data set on the Hub, of which `config` and `split` choose the rows; `pydoc:` and
    `pydoc:json,polars` are the documentation of installed Python packages; anything else is a path: a Parquet, JSON
    Lines, CSV, TSV (plain, .gz or .zst), text, Markdown, HTML or reStructuredText file, a folder or a pattern of such
    files, or a folder in the BEIR layout. Raises UserError where nothing readable is there.
    """
    if not spec.strip():
        raise UserError("--source is empty: name a path, hf://owner/name or pydoc:.", exit_code=2)
    if spec.startswith("hf://"):
        from builders.text.readers.hub import open_hub

        return open_hub(spec, name, columns, config, split)
    if config is not None or split != "train":
        raise UserError(f"{spec} has no config or split: give those for hf:// only.", exit_code=2)
    if spec.startswith("pydoc:"):
        _refuse_columns(spec, columns)
        from builders.text.readers.python_docs import open_python_docs

        return open_python_docs(spec.removeprefix("pydoc:"), name or "pydoc")
    if "://" in spec:
        raise UserError(f"{spec} cannot be read: give hf://owner/name, pydoc: or a path.", exit_code=2)
    from builders.text.readers.paths import find_files
    from builders.text.readers.records import name_of

    kind, root, files = find_files(spec)
    name = name_of(spec, root) if name is None else name
    if kind == "pages":
        _refuse_columns(spec, columns)
        from builders.text.readers.pages import open_pages

        return open_pages(name, root, files)
    from builders.text.readers.tables import open_tables

    return open_tables(kind, name, root, files, columns)


def _refuse_columns(spec: str, columns: Columns) -> None:
    if columns != USUAL_COLUMNS:
        raise UserError(f"{spec} has no columns: name columns for tables only.", exit_code=2)
