"""A silo's own file: where its data are, and what it allows.

It is written by the people of the silo and is the last word about it. `fedjobs run --silos` takes several of them as
one file of YAML documents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.models import Model
from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator

from fedjobs_worker.policy_files import Policy
from fedjobs_worker.silo_file_errors import described

Dtype = Literal[
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "string",
]


class Files(Model):
    path: str = Field(min_length=1)
    """One file, or a pattern such as `/data/*.csv`; relative to this file's folder; or any URL that fsspec knows."""

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str, info: ValidationInfo) -> str:
        folder = (info.context or {}).get("folder")
        return path if folder is None or "://" in path else str(folder / path)


class CsvFiles(Files):
    delimiter: str = Field(default=",", min_length=1, max_length=1)


class Source(Model):
    """Exactly one of them."""

    csv: CsvFiles | None = None
    """Files with a header line; columns are taken by name."""
    parquet: Files | None = None
    npz: Files | None = None
    """NumPy archives; the arrays' names are the columns, their first dimension the rows."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        if sum(kind is not None for kind in (self.csv, self.parquet, self.npz)) != 1:
            raise ValueError("give exactly one of csv, parquet, npz")
        return self


class FeatureSpec(Model):
    """One feature of its own dtype and shape, taken from one column or put together from several."""

    column: str | None = None
    columns: list[str] | None = Field(default=None, min_length=1)
    dtype: Dtype = "float32"
    shape: list[Annotated[int, Field(ge=0)]] | None = None
    """Of one example; absent: as the columns have it (a scalar for one column, a vector for several)."""

    @model_validator(mode="after")
    def _exactly_one(self) -> FeatureSpec:
        if (self.column is None) == (self.columns is None):
            raise ValueError("give exactly one of column, columns")
        return self


class Features(Model):
    """Either `columns`, which become one vector `x`, or `spec`, whose features become `x/<name>`."""

    columns: list[str] | None = Field(default=None, min_length=1)
    dtype: Dtype = "float32"
    """Of `x`, where there are `columns`."""
    spec: dict[str, FeatureSpec] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _exactly_one(self) -> Features:
        if (self.columns is None) == (self.spec is None):
            raise ValueError("give exactly one of columns, spec")
        return self


class Label(Model):
    column: str
    dtype: Dtype = "int32"


class Clients(Model):
    column: str
    """Rows with the same value here belong to the same client."""


def _label(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class DatasetFile(Model):
    source: Source
    features: Features
    label: Annotated[Label, BeforeValidator(_label)] | None = None
    """A column's name, or its name and dtype; becomes `y`."""
    clients: Clients | None = None
    """Absent: the silo is one client."""
    clients_per_round: int | None = Field(default=None, ge=1)
    """Sampled anew for each round, by a seed that the work names; absent: all."""


class Gpu(Model):
    resource_name: str = "nvidia.com/gpu"
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[dict[str, Any]] = Field(default_factory=list)


class Runner(Model):
    threads: int | None = Field(default=None, ge=1)
    """Threads of TensorFlow's kernels; absent: one for each core."""
    gpu: Gpu | None = None
    """Where a GPU is to be had on this silo's cluster. Not used on one machine."""
    resources: dict[str, Any] = Field(default_factory=dict)
    """Of the runner's container. Not used on one machine."""


class SiloFile(Model):
    silo: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    """Its name, as a DNS label."""
    datasets: dict[str, DatasetFile] = Field(default_factory=dict)
    policy: Policy = Field(default_factory=Policy)
    runner: Runner = Field(default_factory=Runner)


def load(path: Path) -> SiloFile:
    """The silo of a file with one document.

    Raises:
        FedjobsError: INVALID_SILO_FILE, naming file, field, value and remedy.
    """
    silos = load_all(path)
    if len(silos) != 1:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE,
            f"{path} describes {len(silos)} silos where one is expected.",
            "Keep one YAML document in it.",
        )
    return silos[0]


def load_named(path: Path, name: str) -> SiloFile:
    """The silo of a file with one document, which is to be of this name.

    Raises:
        FedjobsError: INVALID_SILO_FILE.
    """
    silo = load(path)
    if silo.silo != name:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE,
            f"{path} is the file of silo {silo.silo}, not of {name}.",
            "Name one silo in both.",
        )
    return silo


def load_all(path: Path) -> list[SiloFile]:
    """The silos of a file with one or more YAML documents, with all paths made absolute.

    Raises:
        FedjobsError: INVALID_SILO_FILE, naming file, document, field, value and remedy.
    """
    try:
        documents = [document for document in yaml.safe_load_all(path.read_text("utf-8")) if document is not None]
    except OSError as error:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE, f"{path} cannot be read: {error.strerror}.", "Name an existing silo's file."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE, f"{path} is not valid YAML: {error}", "Correct the file."
        ) from error
    if not documents:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE, f"{path} describes no silo.", "Write a YAML document for each silo."
        )
    several = len(documents) > 1
    silos = [_silo(document, path, number if several else None) for number, document in enumerate(documents, 1)]
    names = [silo.silo for silo in silos]
    for name in names:
        if names.count(name) > 1:
            raise FedjobsError(
                ErrorCode.INVALID_SILO_FILE,
                f"{path}: the name '{name}' in field silo is given to {names.count(name)} silos.",
                "Give each silo a name of its own.",
            )
    return silos


def dump(silo: SiloFile) -> str:
    """The silo's file as YAML, with the absolute paths that `load` made, so that it can be put elsewhere."""
    return yaml.safe_dump(silo.model_dump(by_alias=True, exclude_defaults=True, mode="json"), sort_keys=False)


def _silo(document: Any, path: Path, number: int | None) -> SiloFile:
    try:
        return SiloFile.model_validate(document, context={"folder": path.resolve().parent})
    except ValidationError as error:
        where = str(path) if number is None else f"{path} (document {number})"
        raise described(error, SiloFile, where) from error
