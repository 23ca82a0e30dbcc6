"""Records durably that the program has finished, so that a restarted coordinator does not run it again."""

from __future__ import annotations

from pathlib import Path

from fedjobs_common.files import write_atomically
from fedjobs_common.ids import JobUid
from fedjobs_common.jobs.result_manifests import ResultManifest, manifest_of
from pydantic import ValidationError


class FinishedProgram:
    """A record in the coordinator's folder with the manifest of the result.

    Args:
        directory: The coordinator's folder.
        result_dir: The folder where the program writes its result.
        job_uid: The UID of the job.
    """

    def __init__(self, directory: Path, result_dir: Path, job_uid: JobUid) -> None:
        self._path = directory / "finished.json"
        self._result_dir = result_dir
        self._job_uid = job_uid

    def note(self) -> ResultManifest:
        """Records durably that the program has finished, with the manifest of its result.

        Raises:
            FedjobsError: DISK_FULL.
        """
        manifest = manifest_of(self._job_uid, self._result_dir)
        write_atomically(self._path, manifest.to_json(), durable=True)
        return manifest

    def found(self) -> ResultManifest | None:
        """Returns the manifest of a program that finished in an earlier process. None if the program must run.

        It ignores the record of another job, and a record whose files have changed.
        """
        try:
            noted = ResultManifest.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        if noted.job_uid != self._job_uid or noted != manifest_of(self._job_uid, self._result_dir):
            return None
        return noted
