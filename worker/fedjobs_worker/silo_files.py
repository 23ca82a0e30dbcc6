"""The silo file: where a silo's data are, and what the silo allows.

The silo's administrator writes the file, and it is authoritative for the silo. `fedjobs run --silos` takes several silo
files as documents of one YAML file.
"""

from __future__ import annotations

import glob
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
    """A path or a pattern such as `/data/*.csv`, relative to this file's folder, or a URL that fsspec supports.

    A file that has exactly this name is read, even if the name contains `[` or `*`.
    """

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str, info: ValidationInfo) -> str:
        folder = (info.context or {}).get("folder")
        if folder is None or "://" in path or Path(path).is_absolute():
            return path
        # Only what a person wrote can be a pattern, not the name of the folder.
        is_literal = not glob.has_magic(path) or (folder / path).is_file()
        return str((folder if is_literal else Path(glob.escape(str(folder)))) / path)


class CsvFiles(Files):
    delimiter: str = Field(default=",", min_length=1, max_length=1)


class Source(Model):
    """The source of a dataset. Exactly one field must be set."""

    csv: CsvFiles | None = None
    """CSV files with a header line. Columns are found by name."""
    parquet: Files | None = None
    npz: Files | None = None
    """NumPy archives. The names of the arrays are the columns, and their first dimension is the rows."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        if sum(kind is not None for kind in (self.csv, self.parquet, self.npz)) != 1:
            raise ValueError("give exactly one of csv, parquet, npz")
        return self


class FeatureSpec(Model):
    """A feature with its dtype and shape, from one column or several."""

    column: str | None = None
    columns: list[str] | None = Field(default=None, min_length=1)
    dtype: Dtype = "float32"
    shape: list[Annotated[int, Field(ge=0)]] | None = None
    """The shape of one example. By default, one column is a scalar and several columns are a vector."""

    @model_validator(mode="after")
    def _exactly_one(self) -> FeatureSpec:
        if (self.column is None) == (self.columns is None):
            raise ValueError("give exactly one of column, columns")
        return self


class Features(Model):
    """The features: either `columns`, which become one vector `x`, or `spec`, whose features become `x/<name>`."""

    columns: list[str] | None = Field(default=None, min_length=1)
    dtype: Dtype = "float32"
    """The dtype of `x`, if `columns` is set."""
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
    """Rows with the same value in this column belong to the same client."""


def _label(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class DatasetFile(Model):
    source: Source
    features: Features
    label: Annotated[Label, BeforeValidator(_label)] | None = None
    """The name of the label column, or its name and dtype. The label becomes `y`."""
    clients: Clients | None = None
    """How rows are divided into clients. If absent, the silo is one client."""
    clients_per_round: int | None = Field(default=None, ge=1)
    """The number of clients in a round. Each round draws a new sample with a seed in the work item. Default: all."""


class Gpu(Model):
    resource_name: str = "nvidia.com/gpu"
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[dict[str, Any]] = Field(default_factory=list)


class Runner(Model):
    threads: int | None = Field(default=None, ge=1)
    """The number of threads of TensorFlow's kernels. Default: one for each core."""
    memory_limit_bytes: int | None = Field(default=None, ge=2**29)
    """The most memory of a runner on one machine, with its data. Default: 80% of the machine's memory. On Kubernetes,
    set `resources`."""
    thread_limit: int | None = Field(default=None, ge=64)
    """The most threads of a job's runner on one machine. Default: 1024, or 64 for each core if that is more."""
    gpu: Gpu | None = None
    """How to get a GPU on the silo's cluster. Not used on one machine."""
    resources: dict[str, Any] = Field(default_factory=dict)
    """The resources of the runner's container. Not used on one machine. Default limits: 8 GiB of memory, 4 GiB of
    files."""


class SiloFile(Model):
    silo: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    """The silo's name, which is a DNS label."""
    datasets: dict[str, DatasetFile] = Field(default_factory=dict)
    policy: Policy = Field(default_factory=Policy)
    runner: Runner = Field(default_factory=Runner)


def load(path: Path) -> SiloFile:
    """Reads a silo file with one document.

    Raises:
        FedjobsError: INVALID_SILO_FILE. The message names file, field, value and remedy.
    """
    silos = load_all(path)
    if len(silos) != 1:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE,
            f"{path} describes {len(silos)} silos, but must describe one.",
            "Keep one YAML document in the file.",
        )
    return silos[0]


def load_named(path: Path, name: str) -> SiloFile:
    """Reads a silo file with one document, and checks the silo's name.

    Raises:
        FedjobsError: INVALID_SILO_FILE.
    """
    silo = load(path)
    if silo.silo != name:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE,
            f"{path} is the file of silo {silo.silo}, not of {name}.",
            "Use the same silo name in both.",
        )
    return silo


def load_all(path: Path) -> list[SiloFile]:
    """Reads the silo files in a YAML file with one or more documents. Makes all paths absolute.

    Raises:
        FedjobsError: INVALID_SILO_FILE. The message names file, document, field, value and remedy.
    """
    try:
        documents = [document for document in yaml.safe_load_all(path.read_text("utf-8")) if document is not None]
    except OSError as error:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE,
            f"{path} cannot be read: {error.strerror}.",
            "Give the path of an existing silo file.",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE, f"{path} is not valid YAML: {error}", "Correct the file."
        ) from error
    if not documents:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE, f"{path} does not describe a silo.", "Write a YAML document for each silo."
        )
    several = len(documents) > 1
    silos = [_silo(document, path, number if several else None) for number, document in enumerate(documents, 1)]
    names = [silo.silo for silo in silos]
    for name in names:
        if names.count(name) > 1:
            raise FedjobsError(
                ErrorCode.INVALID_SILO_FILE,
                f"{path}: {names.count(name)} silos have the name '{name}' in the field silo.",
                "Give each silo a unique name.",
            )
    return silos


def dump(silo: SiloFile) -> str:
    """Returns the silo file as YAML with absolute paths, so that it can be written to another folder."""
    return yaml.safe_dump(silo.model_dump(by_alias=True, exclude_defaults=True, mode="json"), sort_keys=False)


def _silo(document: Any, path: Path, number: int | None) -> SiloFile:
    try:
        return SiloFile.model_validate(document, context={"folder": path.resolve().parent})
    except ValidationError as error:
        where = str(path) if number is None else f"{path} (document {number})"
        raise described(error, SiloFile, where) from error
