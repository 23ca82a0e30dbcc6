"""Fetches a job's result to this machine, into a folder with the layout of a local run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from fedjobs_api.names import JobRef
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from fedjobs_common.jobs.statuses import Phase

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
"""The mount paths of the coordinator's claim and of the output claim, in coordinator and reader pods."""
_CONTAINER = "coordinator"
_NOT_FOUND = 404


def fetch(jobs: FederatedJobs, name: str, out: Path, say: Callable[[str], object]) -> Path:
    """Copies the result, the metrics and the status of a job. Copies what exists so far if the job is not complete.

    Args:
        jobs: The jobs of the job's namespace.
        name: The name of the job.
        out: The folder. Files that were fetched from the same job before are replaced.
        say: Called with progress messages.

    Returns:
        The folder.

    Raises:
        FedjobsError: INVALID_JOB if there is no such job or the folder contains something else. UNAVAILABLE.
            BLOB_CORRUPT if the result does not match the digest in the job's status.
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
        what = f"{out} has the run of another job, {kept.name} with uid {kept.uid}."
    elif kept is None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = f"{out} already exists, and it is not the folder of a run."
    else:
        return
    raise FedjobsError(ErrorCode.INVALID_JOB, what, "Choose another folder with --out.")


def _copy(jobs: FederatedJobs, job: Body, folder: RunFolder, say: Callable[[str], object]) -> None:
    result = job_statuses.status_of(job).result
    place = None if result is None else result_places.parse(result.uri)
    paths = {f"coordinator/{name}": f"{STATE}/{name}" for name in ("status.json", "progress.jsonl")}
    if isinstance(place, AtUrl) and _downloaded(place, folder, say):
        try:
            _from_claims(jobs, job, None, paths, folder, say)
        except FedjobsError as error:
            say(f"warning: {error.message} The result is complete. Only the coordinator's status files are missing.")
        return
    claim = place if isinstance(place, InClaim) else None
    _from_claims(jobs, job, claim, paths | {"result": _result_path(job, claim)}, folder, say)


def _downloaded(place: AtUrl, folder: RunFolder, say: Callable[[str], object]) -> bool:
    """Downloads the result with the user's credentials. Returns whether that succeeded."""
    say(f"Reading {place.url} ...")
    try:
        from fedjobs.cluster.result_download import download

        download(place.url, folder.result)
    except Exception as error:  # each storage raises its own errors, and the job's claim has the same files
        say(f"Cannot read it from this machine ({type(error).__name__}: {error}).")
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
    """Copies from the coordinator's pod if it runs, because it mounts the claims. Otherwise starts a reader pod."""
    connection, namespace = jobs.connection, job["metadata"]["namespace"]
    pods = coordinator_pods.pods(connection, job)
    if pods and pods[-1].get("status", {}).get("phase") == "Running":
        container_files.copy(connection, namespace, pods[-1]["metadata"]["name"], _CONTAINER, paths, folder.root)
        return
    coordinator = coordinator_pods.newest_job(connection, job)
    if coordinator is None:
        coordinator_pods.choose(job, [])  # raises an error that says why there is none
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
    if place is None:  # at a URL, or not complete: read the coordinator's files, from which it exports
        return f"{STATE}/result"
    root = STATE if place.claim == _own_claim(job) else OUTPUT
    return f"{root}/{place.path}".rstrip("/")


def _resolved_job(jobs: FederatedJobs, job: Body, folder: RunFolder) -> None:
    metadata = job["metadata"]
    name = JobRef(metadata["namespace"], metadata["name"], metadata["uid"]).resolved
    try:
        with explained(f"Cannot read the ConfigMap {name}"):
            found = jobs.connection.core.read_namespaced_config_map(
                name, metadata["namespace"], _request_timeout=TIMEOUT_S
            )
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return
    write_atomically(folder.job, str(found.data["job.json"]).encode(), mode=0o644)


def _status(job: Body, folder: RunFolder) -> None:
    """Writes the FederatedJob's status if the coordinator wrote none, or ended before it knew that the job failed."""
    written = read_status(folder.coordinator)
    told = job_statuses.as_coordinator(job)
    if written is None or (told.phase is Phase.FAILED and written.phase is not Phase.FAILED):
        # The json module can write NaN, which a metric may be.
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
