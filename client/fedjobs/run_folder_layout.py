"""Lays out the folder of a run, once; a later start of the same run finds it as it is.

`job.json` decides what runs there. The job's uid is made once and kept: certificates, checkpoints and the identity of
work hang on it. What belongs to the silos (their files) is theirs to change between two starts.
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
    """Makes the folder, and holds it until the end of the block (or of the process).

    Raises:
        FedjobsError: ALREADY_RUNNING when another process runs there; UNAVAILABLE when it cannot be written.
    """
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            f"The run's folder {folder.root} cannot be used: {error.strerror}.",
            "Name a folder that can be written with --out.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise FedjobsError(
            ErrorCode.ALREADY_RUNNING,
            f"Another fedjobs run works in {folder.root}.",
            f"Wait until it ends, look at it with fedjobs ps {folder.root}, or give this run another --out.",
        ) from None
    finally:
        os.close(descriptor)


def lay_out(folder: RunFolder, job: ResolvedJob) -> ResolvedJob:
    """Writes the job and the trust of a new run, or checks that the folder is one of the same job.

    Args:
        folder: Of the run; it exists.
        job: As its manifest says now; its uid counts only in a new folder.

    Returns:
        The job that runs here: the one of `job.json`.

    Raises:
        FedjobsError: INVALID_JOB when the folder holds another job, naming the difference.
    """
    kept = stored_job(folder)
    if kept is None:
        kept = job
    elif different := differences(kept, job):
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"{folder.root} holds a run of another job: {'; '.join(different[:3])}{'; ...' if different[3:] else ''}.",
            "Give this run another folder with --out, or the job as it was.",
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
    """The job of a folder; None where there is none yet.

    Raises:
        FedjobsError: INVALID_JOB when `job.json` cannot be read.
    """
    try:
        return ResolvedJob.model_validate_json(folder.job.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise FedjobsError(
            ErrorCode.INVALID_JOB, f"{folder.job} is not a job that this version can read: {error}", "Use a new folder."
        ) from error


def differences(kept: ResolvedJob, given: ResolvedJob) -> list[str]:
    """What two jobs differ in, as sentences with the manifest's names; the uid does not count."""
    old, new = (job.model_dump(by_alias=True, mode="json", exclude={"uid"}) for job in (kept, given))
    return job_differences.differences(old, new, _manifest_path)


def choose_port(folder: RunFolder, wanted: int = 0) -> int:
    """The coordinator's port: the one that was asked for, else the one of the last start, else a free one.

    Raises:
        FedjobsError: PORT_IN_USE when the port that was asked for is taken.
    """
    if wanted and not _is_free(wanted):
        raise FedjobsError(
            ErrorCode.PORT_IN_USE,
            f"Port {wanted} of {HOST} is in use.",
            "End the process that listens there, or choose another port.",
        )
    before = int(folder.port.read_text()) if folder.port.exists() else 0
    port = wanted or (before if before and _is_free(before) else _free_port())
    write_atomically(folder.port, str(port).encode(), mode=0o644)
    return port


def authority_of(folder: RunFolder) -> RunAuthority:
    """The run's issuers, as `lay_out` made them."""
    return RunAuthority.load(folder.trust)


def _authority(folder: RunFolder) -> RunAuthority:
    if folder.trust.exists():
        return RunAuthority.load(folder.trust)
    authority = RunAuthority.create()
    # Saved beside and renamed: after a crash there are both issuers or none.
    unfinished = folder.trust.with_name(".trust.unfinished")
    authority.save(unfinished)
    unfinished.rename(folder.trust)
    return authority


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections that linger do not count
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
    """Made absolute without following links: processes are told where things are under the name that a person gave."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps `..`)
