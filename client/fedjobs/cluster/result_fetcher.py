"""Brings a job's result to this machine, into a folder that looks like the one of a local run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from fedjobs_common.jobs.statuses import Phase
from fedjobs_operator.names import JobRef

from fedjobs.cluster import container_files, coordinator_pods, job_statuses, reader_pods, result_places
from fedjobs.cluster.api_errors import ApiError, explained
from fedjobs.cluster.connections import TIMEOUT_S
from fedjobs.cluster.federated_jobs import Body, FederatedJobs
from fedjobs.cluster.reader_pods import Mount
from fedjobs.cluster.result_places import AtUrl, InClaim
from fedjobs.cluster.result_verification import verify
from fedjobs.folders import RunFolder
from fedjobs.run_folder_layout import stored_job
from fedjobs.status_follower import read_status

STATE, OUTPUT = "/state", "/output"
"""Where coordinators, and readers too, have their own claim and that of the output."""
_CONTAINER = "coordinator"
_NOT_FOUND = 404


def fetch(jobs: FederatedJobs, name: str, out: Path, say: Callable[[str], object]) -> Path:
    """Copies result, metrics and status of a job; of one that is not complete, what there is so far.

    Args:
        jobs: Those of the job's namespace.
        name: The job's.
        out: The folder; it may hold what was fetched of the same job before, which is replaced.
        say: Told what goes on.

    Returns:
        The folder.

    Raises:
        FedjobsError: INVALID_JOB where there is no such job or the folder holds something else; UNAVAILABLE;
            BLOB_CORRUPT where the result is not the one that the job's status tells of.
    """
    job = jobs.get(name)
    _check_folder(out, job)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        folder = RunFolder(unfinished)
        folder.coordinator.mkdir()
        _copy(jobs, job, folder, say)
        _resolved_job(jobs, job, folder)
        _status(job, folder)
        if (result := job_statuses.status_of(job).result) is not None:
            verify(folder.result, result.digest, result.uri)
        _replace(folder, RunFolder(out))
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return out


def _check_folder(out: Path, job: Body) -> None:
    kept = stored_job(RunFolder(out))
    if kept is not None and kept.uid != job["metadata"]["uid"]:
        what = f"{out} holds the run of another job, {kept.name} with uid {kept.uid}."
    elif kept is None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = f"{out} is there already, and is not the folder of a run."
    else:
        return
    raise FedjobsError(ErrorCode.INVALID_JOB, what, "Name another folder with --out.")


def _copy(jobs: FederatedJobs, job: Body, folder: RunFolder, say: Callable[[str], object]) -> None:
    result = job_statuses.status_of(job).result
    place = None if result is None else result_places.parse(result.uri)
    paths = {f"coordinator/{name}": f"{STATE}/{name}" for name in ("status.json", "progress.jsonl")}
    if isinstance(place, AtUrl) and _downloaded(place, folder, say):
        try:
            _from_claims(jobs, job, None, paths, folder, say)
        except FedjobsError as error:
            say(f"warning: {error.message} The result is whole; only the coordinator's own log of rounds is missing.")
        return
    claim = place if isinstance(place, InClaim) else None
    _from_claims(jobs, job, claim, paths | {"result": _result_path(job, claim)}, folder, say)


def _downloaded(place: AtUrl, folder: RunFolder, say: Callable[[str], object]) -> bool:
    """Whether this machine can read the result where it is, with the person's own credentials."""
    say(f"Reading {place.url} ...")
    try:
        from fedjobs.cluster.result_download import download

        download(place.url, folder.result)
    except Exception as error:  # each storage has its own, and the job's claim has the same files
        say(f"It cannot be read from here ({type(error).__name__}: {error}).")
        shutil.rmtree(folder.result, ignore_errors=True)
        return False
    return True


def _from_claims(
    jobs: FederatedJobs,
    job: Body,
    place: InClaim | None,
    paths: dict[str, str],
    folder: RunFolder,
    say: Callable[[str], object],
) -> None:
    """Through the coordinator's pod where one runs, which has the claims; else through a reader."""
    connection, namespace = jobs.connection, job["metadata"]["namespace"]
    pods = coordinator_pods.pods(connection, job)
    if pods and pods[-1].get("status", {}).get("phase") == "Running":
        container_files.copy(connection, namespace, pods[-1]["metadata"]["name"], _CONTAINER, paths, folder.root)
        return
    coordinator = coordinator_pods.newest_job(connection, job)
    if coordinator is None:
        coordinator_pods.choose(job, [])  # says why there is none
        return
    with reader_pods.running(connection, job, coordinator, _mounts(job, place), say) as pod:
        container_files.copy(connection, namespace, pod, reader_pods.CONTAINER, paths, folder.root)


def _own_claim(job: Body) -> str:
    metadata = job["metadata"]
    return JobRef(metadata["namespace"], metadata["name"], metadata["uid"]).claim


def _mounts(job: Body, place: InClaim | None) -> list[Mount]:
    own = Mount(_own_claim(job), STATE)
    return [own] if place is None or place.claim == own.claim else [own, Mount(place.claim, OUTPUT)]


def _result_path(job: Body, place: InClaim | None) -> str:
    if place is None:  # behind a URL, or not complete: the coordinator's own files, from which it exports
        return f"{STATE}/result"
    root = STATE if place.claim == _own_claim(job) else OUTPUT
    return f"{root}/{place.path}".rstrip("/")


def _resolved_job(jobs: FederatedJobs, job: Body, folder: RunFolder) -> None:
    metadata = job["metadata"]
    name = JobRef(metadata["namespace"], metadata["name"], metadata["uid"]).resolved
    try:
        with explained(f"The ConfigMap {name} cannot be read"):
            found = jobs.connection.core.read_namespaced_config_map(
                name, metadata["namespace"], _request_timeout=TIMEOUT_S
            )
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return
    write_atomically(folder.job, str(found.data["job.json"]).encode(), mode=0o644)


def _status(job: Body, folder: RunFolder) -> None:
    """The coordinator's own status, but where it has none, or did not live to know that the job failed."""
    written = read_status(folder.coordinator)
    told = job_statuses.as_coordinator(job)
    if written is None or (told.phase is Phase.FAILED and written.phase is not Phase.FAILED):
        # By json, which can write NaN: a metric may be that.
        content = json.dumps(told.model_dump(mode="json", by_alias=True)).encode()
        write_atomically(folder.status, content, mode=0o644)


def _replace(new: RunFolder, old: RunFolder) -> None:
    old.root.mkdir(exist_ok=True)
    for part in (new.coordinator, new.result):
        target = old.root / part.name
        shutil.rmtree(target, ignore_errors=True)
        if part.exists():
            part.rename(target)
    if new.job.exists():
        new.job.rename(old.job)
