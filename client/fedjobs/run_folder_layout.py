"""Creates the folder of a run. A later start of the same run reuses it unchanged.

`job.json` defines the job. Its uid never changes, because certificates, checkpoints and the identities of work items
depend on it. The silo files may change between two starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_protocol.identities.identities import RunAuthority, server_name
from pydantic import ValidationError

from fedjobs import job_differences
from fedjobs.folders import RunFolder

HOST = "127.0.0.1"
_SPEC = "spec."


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Creates the folder, and locks it until the block or the process ends.

    Raises:
        FedjobsError: ALREADY_RUNNING if another process uses the folder, UNAVAILABLE if it cannot be written.
    """
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            f"Cannot use the run's folder {folder.root}: {error.strerror}.",
            "Choose a writable folder with --out.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise FedjobsError(
            ErrorCode.ALREADY_RUNNING,
            f"Another fedjobs run uses the folder {folder.root}.",
            f"Wait until it ends (see fedjobs ps {folder.root}), or choose another folder with --out.",
        ) from None
    finally:
        os.close(descriptor)


def lay_out(folder: RunFolder, job: ResolvedJob) -> ResolvedJob:
    """Writes the job and the certificate authority of a new run, or checks that an existing run has the same job.

    Args:
        folder: The run's folder, which exists.
        job: The job as the manifest describes it now. Its uid is used only in a new folder.

    Returns:
        The job in `job.json`, which is the one to run.

    Raises:
        FedjobsError: INVALID_JOB if the folder contains another job. The message names the differences.
    """
    kept = stored_job(folder)
    if kept is None:
        kept = job
    elif different := differences(kept, job):
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"{folder.root} has a run of another job: {'; '.join(different[:3])}{'; ...' if different[3:] else ''}.",
            "Choose another folder with --out, or undo the changes to the job file.",
        )
    authority = _authority(folder)
    identity = authority.issue_coordinator(kept.uid, server_name(kept.uid))
    identity.save(folder.coordinator / "tls")
    for directory in (folder.processes, folder.logs):
        directory.mkdir(exist_ok=True)
    if not folder.job.exists():
        content = kept.model_dump_json(by_alias=True, indent=2).encode() + b"\n"
        write_atomically(folder.job, content, durable=True, mode=0o644)
    return kept


def stored_job(folder: RunFolder) -> ResolvedJob | None:
    """Returns the job of a folder, or None if there is none yet.

    Raises:
        FedjobsError: INVALID_JOB if `job.json` cannot be read.
    """
    try:
        return ResolvedJob.model_validate_json(folder.job.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"This version of fedjobs cannot read {folder.job}: {error}",
            "Choose a new folder with --out.",
        ) from error


def differences(kept: ResolvedJob, given: ResolvedJob) -> list[str]:
    """Describes how two jobs differ, with the field names of the manifest. Ignores the uid."""
    old, new = (job.model_dump(by_alias=True, mode="json", exclude={"uid"}) for job in (kept, given))
    return job_differences.differences(old, new, _manifest_path)


def choose_port(folder: RunFolder, wanted: int = 0) -> int:
    """Returns the coordinator's port: the requested one, else the port of the last start, else a free one.

    Raises:
        FedjobsError: PORT_IN_USE if the requested port is in use.
    """
    if wanted and not _is_free(wanted):
        raise FedjobsError(
            ErrorCode.PORT_IN_USE,
            f"Port {wanted} of {HOST} is in use.",
            "Stop the process that listens there, or choose another port with --port.",
        )
    before = int(folder.port.read_text()) if folder.port.exists() else 0
    port = wanted or (before if before and _is_free(before) else _free_port())
    write_atomically(folder.port, str(port).encode(), mode=0o644)
    return port


def authority_of(folder: RunFolder) -> RunAuthority:
    """Loads the run's certificate authorities, which `lay_out` created."""
    return RunAuthority.load(folder.trust)


def _authority(folder: RunFolder) -> RunAuthority:
    if folder.trust.exists():
        return RunAuthority.load(folder.trust)
    authority = RunAuthority.create()
    # Written to another folder and renamed, so that a crash leaves either both authorities or none.
    unfinished = folder.trust.with_name(".trust.unfinished")
    authority.save(unfinished)
    unfinished.rename(folder.trust)
    return authority


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ignore connections in TIME_WAIT
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _manifest_path(path: str) -> str:
    return {"name": "metadata.name", "outputFormats": "spec.output.format"}.get(path, _SPEC + path)


def absolute(path: Path) -> Path:
    """Returns an absolute path without resolving symbolic links, so that messages show the path that the user gave."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps `..`)
