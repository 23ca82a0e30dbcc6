"""Where a program's files are: on one machine beside the job's file, on a cluster in the coordinator's pod."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fedjobs_protocol import programs
from fedjobs_protocol.errors import ErrorCode, FedjobsError

from fedjobs_operator.api.program_specs import Computation, Source

PROGRAM_FOLDER = "/program"
"""In the coordinator's pod: the keys of the ConfigMap of `spec.program.source`."""
COMPUTATION_FOLDER = "/computation"
"""In the coordinator's pod: the keys of the ConfigMap of `spec.program.computation`."""

_SOURCE, _COMPUTATION = "spec.program.source", "spec.program.computation"
_WEIGHTS = f"{programs.PATH}.weights"


class Places(Protocol):
    """Turns what a job says of a file into the path that its coordinator opens.

    All methods raise FedjobsError, with the field's path and a remedy, where the file cannot be there.
    """

    def source(self, source: Source | None, *, wanted: bool) -> str | None:
        """The folder for the Python path; `wanted`: there is an entry point."""
        ...

    def computation(self, computation: Computation) -> str: ...

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
        return self._absolute(_path_of(source, _SOURCE), f"{_SOURCE}.path")

    def computation(self, computation: Computation) -> str:
        return self._absolute(_path_of(computation, _COMPUTATION), f"{_COMPUTATION}.path")

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
            raise _not_on_a_cluster(f"{_SOURCE}.path", source.path, "{name: NAME}", "--from-file=FOLDER")
        return PROGRAM_FOLDER

    def computation(self, computation: Computation) -> str:
        if computation.config_map is None:
            remedy = "{name: NAME, key: computation.pb}"
            raise _not_on_a_cluster(f"{_COMPUTATION}.path", computation.path, remedy, "--from-file=computation.pb=FILE")
        return f"{COMPUTATION_FOLDER}/{computation.config_map.key}"

    def weights(self, path: str) -> str:
        if not Path(path).is_absolute():
            raise FedjobsError(
                ErrorCode.INVALID_PROGRAM_PARAMETER,
                f"{_WEIGHTS} is {path!r}: on a cluster there is no folder that it could be relative to.",
                "Give an absolute path of the coordinator's container; the keys of the ConfigMap of "
                f"{_SOURCE} are in {PROGRAM_FOLDER}.",
            )
        return path


def _path_of(place: Source | Computation, field: str) -> str:
    if place.path is None:
        what = f"{field}.configMap needs a cluster, and this job is to run on one machine."
        raise FedjobsError(ErrorCode.INVALID_JOB, what, f"Give {field}.path instead.")
    return place.path


def _not_on_a_cluster(field: str, path: str | None, config_map: str, option: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.INVALID_JOB,
        f"{field} is {path!r}: a path is of one machine, and this job is to run on a cluster.",
        f"Write configMap: {config_map} instead, after `kubectl create configmap NAME {option}`.",
    )
