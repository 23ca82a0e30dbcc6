"""Whether the program has come to its end, durably: then it is not run again, whatever happens to its coordinator."""

from __future__ import annotations

from pathlib import Path

from fedjobs_common.files import write_atomically
from fedjobs_common.ids import JobUid
from fedjobs_common.jobs.result_manifests import ResultManifest, manifest_of
from pydantic import ValidationError


class FinishedProgram:
    """A note in the coordinator's folder that lists the result's files.

    Args:
        directory: The coordinator's folder.
        result_dir: Where the program writes its result.
        job_uid: Of the job.
    """

    def __init__(self, directory: Path, result_dir: Path, job_uid: JobUid) -> None:
        self._path = directory / "finished.json"
        self._result_dir = result_dir
        self._job_uid = job_uid

    def note(self) -> ResultManifest:
        """The program is over and has written its result; both are durable when this returns.

        Raises:
            FedjobsError: DISK_FULL.
        """
        manifest = manifest_of(self._job_uid, self._result_dir)
        write_atomically(self._path, manifest.to_json(), durable=True)
        return manifest

    def found(self) -> ResultManifest | None:
        """The result of a program that was over before this process; None where it must run (again).

        A note that is another job's, or whose files are not what they were, does not count.
        """
        try:
            noted = ResultManifest.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        if noted.job_uid != self._job_uid or noted != manifest_of(self._job_uid, self._result_dir):
            return None
        return noted
