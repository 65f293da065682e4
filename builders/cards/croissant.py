"""croissant.json: the same release in the metadata format of MLCommons, validated by mlcroissant."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from builders.cards.licences import link, parts
from builders.cards.markdown import one_line
from builders.cli.errors import UserError
from builders.store.schemas import key_column

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
PARQUET = "application/x-parquet"
CITATION = (
    "@article{ma2025drama, title={DRAMA: Diverse Augmentation from Large Language Models to Smaller Dense Retrievers}, "
    "author={Ma, Xueguang and Lin, Xi Victoria and Oguz, Barlas and Lin, Jimmy and Yih, Wen-tau and Chen, Xilun}, "
    "journal={arXiv preprint arXiv:2502.18460}, year={2025}}"
)

# A description is asked for, and a release may have none.
_DESCRIPTION = "Queries with positives and hard negatives, to train a retriever with."


def checked_croissant(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON-LD, read back once. UserError where mlcroissant is not installed or does not accept it."""
    try:
        import mlcroissant as mlc
    except ImportError:
        raise UserError("Croissant metadata needs mlcroissant: run `pip install 'drama[report]'`.") from None
    try:
        written: dict[str, Any] = _metadata(mlc, facts).to_json()
        mlc.Dataset(jsonld=written)
    except mlc.ValidationError as fault:
        raise UserError(
            f"mlcroissant does not accept the metadata of {facts['name']}: {one_line(str(fault))}"
        ) from None
    return written


def _metadata(mlc: Any, facts: Mapping[str, Any]) -> Any:
    context = mlc.Context(conforms_to=CONFORMS_TO)
    configs = [config for config in facts["configs"] if config["splits"]]
    repository = facts["repository"]
    licences = sorted({name for row in facts["licence"]["by"] for name in parts(row["licence"])})
    return mlc.Metadata(
        ctx=context,
        name=one_line(facts["name"]),
        description=one_line(facts["description"]) or _DESCRIPTION,
        version=facts["release"].removeprefix("v"),
        cite_as=CITATION,
        date_published=datetime.fromisoformat(facts["finished"]),
        in_language=sorted(row["code"] for row in facts["languages"]),
        license=[link(name) or name for name in licences],
        url=f"https://huggingface.co/datasets/{repository}" if repository else None,
        distribution=[node for config in configs for node in _files(mlc, context, config)],
        record_sets=[_record_set(mlc, context, config) for config in configs],
    )


def _files(mlc: Any, context: Any, config: Mapping[str, Any]) -> list[Any]:
    """A set of all the config's files, which records are read from, and each file with its hash."""
    name = config["name"]
    listed = [
        mlc.FileObject(
            ctx=context,
            id=file["path"],
            name=file["path"],
            content_url=file["path"],
            content_size=f"{file['bytes']} B",
            encoding_formats=[PARQUET],
            sha256=file["sha256"],
        )
        for split in config["splits"]
        for file in split["files"]
    ]
    every = mlc.FileSet(
        ctx=context,
        id=f"{name}-files",
        name=f"{name}-files",
        encoding_formats=[PARQUET],
        includes=[f"{name}/*/*.parquet"],
    )
    return [every, *listed]


def _record_set(mlc: Any, context: Any, config: Mapping[str, Any]) -> Any:
    name = config["name"]
    columns = [column["name"] for column in config["columns"]]
    fields = [_field(mlc, context, name, column) for column in config["columns"]]
    if "split" not in columns:  # texts alone: the folder tells
        source = mlc.Source(
            ctx=context,
            file_set=f"{name}-files",
            extract=mlc.Extract(ctx=context, file_property="fullpath"),
            transforms=[mlc.Transform(ctx=context, regex=f"{name}/([^/]+)/[^/]+[.]parquet$")],
        )
        told = {"id": f"{name}/split", "name": "split", "description": "The split, by the folder of the file."}
        fields.append(mlc.Field(ctx=context, data_types=[mlc.DataType.TEXT], source=source, **told))
    return mlc.RecordSet(
        ctx=context,
        id=name,
        name=name,
        description=config["description"],
        key=[f"{name}/{key_column(config['record'])}"] if config["record"] else None,
        fields=fields,
    )


def _field(mlc: Any, context: Any, config: str, column: Mapping[str, str]) -> Any:
    kind = column["type"].removesuffix(" or null")
    is_list = kind.startswith("list of ")
    kinds = {
        "string": mlc.DataType.TEXT,
        "int32": mlc.DataType.INT32,
        "int64": mlc.DataType.INT64,
        "float64": mlc.DataType.FLOAT64,
        "bool": mlc.DataType.BOOL,
    }
    return mlc.Field(
        ctx=context,
        id=f"{config}/{column['name']}",
        name=column["name"],
        description=column["description"],
        data_types=[kinds[kind.removeprefix("list of ").removesuffix(" or null")]],
        is_array=is_list or None,
        array_shape="-1" if is_list else None,
        source=mlc.Source(
            ctx=context, file_set=f"{config}-files", extract=mlc.Extract(ctx=context, column=column["name"])
        ),
    )
