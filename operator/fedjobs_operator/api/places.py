"""Where a program's files are: on one machine beside the job's file, on a cluster in the coordinator's pod."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fedjobs_common import programs
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_operator.api.program_specs import Source

PROGRAM_FOLDER = "/program"
"""In the coordinator's pod: the keys of the ConfigMap of `spec.program.source`."""
_SOURCE = "spec.program.source"
_WEIGHTS = f"{programs.PATH}.weights"


class Places(Protocol):
    """Turns what a job says of a file into the path that its coordinator opens.

    All methods raise FedjobsError, with the field's path and a remedy, where the file cannot be there.
    """

    def source(self, source: Source | None, *, wanted: bool) -> str | None:
        """The folder for the Python path; `wanted`: there is an entry point."""
        ...

    def weights(self, path: str) -> str:
        """The weights that `evaluate` reads."""
        ...


class Machine:
    """One machine.

    Args:
        folder: That relative paths are relative to: the one of the job's file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def source(self, source: Source | None, *, wanted: bool) -> str | None:
        if source is None:
            return str(self._folder.resolve()) if wanted else None
        if source.path is None:
            what = f"{_SOURCE}.configMap needs a cluster, and this job is to run on one machine."
            raise FedjobsError(ErrorCode.INVALID_JOB, what, f"Give {_SOURCE}.path instead.")
        return self._absolute(source.path, f"{_SOURCE}.path")

    def weights(self, path: str) -> str:
        return self._absolute(path, _WEIGHTS, ErrorCode.INVALID_PROGRAM_PARAMETER)

    def _absolute(self, path: str, field: str, code: ErrorCode = ErrorCode.INVALID_JOB) -> str:
        absolute = (self._folder / path).resolve()
        if not absolute.exists():
            what = f"{field} is {path!r}: there is no {absolute}."
            raise FedjobsError(code, what, "Correct the path; it is relative to the folder of the job's file.")
        return str(absolute)


class Cluster:
    """The coordinator's pod, where ConfigMaps of the job's namespace are mounted."""

    def source(self, source: Source | None, *, wanted: bool) -> str | None:  # noqa: ARG002
        if source is None:
            return None  # an entry point is in the coordinator's image
        if source.config_map is None:
            raise FedjobsError(
                ErrorCode.INVALID_JOB,
                f"{_SOURCE}.path is {source.path!r}: a path is of one machine, and this job is to run on a cluster.",
                "Write configMap: {name: NAME} instead, after `kubectl create configmap NAME --from-file=FOLDER`.",
            )
        return PROGRAM_FOLDER

    def weights(self, path: str) -> str:
        if not Path(path).is_absolute():
            raise FedjobsError(
                ErrorCode.INVALID_PROGRAM_PARAMETER,
                f"{_WEIGHTS} is {path!r}: on a cluster there is no folder that it could be relative to.",
                "Give an absolute path of the coordinator's container; the keys of the ConfigMap of "
                f"{_SOURCE} are in {PROGRAM_FOLDER}.",
            )
        return path
