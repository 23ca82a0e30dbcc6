"""Locates a program's files: next to the job file on one machine, in the coordinator's pod on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fedjobs_common import programs
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_api.program_specs import Source

PROGRAM_FOLDER = "/program"
"""The folder in the coordinator's pod where the ConfigMap of `spec.program.source` is mounted."""
_SOURCE = "spec.program.source"
_WEIGHTS = f"{programs.PATH}.weights"


class Places(Protocol):
    """Converts the files in a job's spec to paths that the coordinator opens.

    All methods raise a FedjobsError with the field's path and a remedy if the file cannot exist there.
    """

    def source(self, source: Source | None, *, wanted: bool) -> str | None:
        """Returns the folder to add to the Python path. `wanted` says whether the job has an entry point."""
        ...

    def weights(self, path: str) -> str:
        """Returns the path of the weights that `evaluate` reads."""
        ...


class Machine:
    """The places on one machine.

    Args:
        folder: The folder of the job file. Relative paths are relative to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def source(self, source: Source | None, *, wanted: bool) -> str | None:
        if source is None:
            return str(self._folder.resolve()) if wanted else None
        if source.path is None:
            what = f"{_SOURCE}.configMap is set: it needs a cluster, and this job runs on one machine."
            raise FedjobsError(ErrorCode.INVALID_JOB, what, f"Set {_SOURCE}.path instead.")
        return self._absolute(source.path, f"{_SOURCE}.path")

    def weights(self, path: str) -> str:
        return self._absolute(path, _WEIGHTS, ErrorCode.INVALID_PROGRAM_PARAMETER)

    def _absolute(self, path: str, field: str, code: ErrorCode = ErrorCode.INVALID_JOB) -> str:
        absolute = (self._folder / path).resolve()
        if not absolute.exists():
            what = f"{field} is {path!r}: {absolute} does not exist."
            raise FedjobsError(code, what, "Correct the path. It is relative to the folder of the job file.")
        return str(absolute)


class Cluster:
    """The places on a cluster: ConfigMaps of the job's namespace, mounted into the coordinator's pod."""

    def source(self, source: Source | None, *, wanted: bool) -> str | None:  # noqa: ARG002
        if source is None:
            return None  # the entry point is in the coordinator's image
        if source.config_map is None:
            raise FedjobsError(
                ErrorCode.INVALID_JOB,
                f"{_SOURCE}.path is {source.path!r}: a path needs one machine, and this job runs on a cluster.",
                "Run `kubectl create configmap NAME --from-file=FOLDER`, and set configMap: {name: NAME} instead.",
            )
        return PROGRAM_FOLDER

    def weights(self, path: str) -> str:
        if not Path(path).is_absolute():
            raise FedjobsError(
                ErrorCode.INVALID_PROGRAM_PARAMETER,
                f"{_WEIGHTS} is {path!r}: relative paths are not supported on a cluster.",
                "Use an absolute path in the coordinator's container. The keys of the ConfigMap in "
                f"{_SOURCE} are files in {PROGRAM_FOLDER}.",
            )
        return path
