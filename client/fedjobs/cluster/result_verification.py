"""Verifies that a fetched result matches the digest in the job's status, file by file."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.result_manifests import MANIFEST, ResultFile, ResultManifest, manifest_of
from pydantic import ValidationError


def verify(folder: Path, digest: str | None, uri: str) -> None:
    """Compares a folder with the digest of the result.

    Args:
        folder: The folder with the fetched files. A manifest among them lists the files of the result.
        digest: `status.result.digest`, or None if it is not known. Then only the manifest is compared.
        uri: The location that the files were fetched from.

    Raises:
        FedjobsError: BLOB_CORRUPT if it is another result or incomplete. The message names the first different file.
    """
    there = manifest_of("", folder)
    written = folder / MANIFEST
    if not written.exists():
        if digest is not None and there.digest != digest:
            raise _wrong(uri, f"its files have the digest {there.digest}, but the job's status has {digest}")
        return
    wanted = listed(written.read_bytes(), uri)
    if digest is not None and wanted.digest != digest:
        raise _wrong(uri, f"its {MANIFEST} has the digest {wanted.digest}, but the job's status has {digest}")
    found = {file.path: file for file in there.files}
    for file in wanted.files:
        if found.get(file.path) != file:
            raise _wrong(uri, f"{file.path} {_difference(file, found.get(file.path))}")


def listed(content: bytes, uri: str) -> ResultManifest:
    """Parses the manifest of a result, and checks that it only lists files below the result's folder.

    Raises:
        FedjobsError: BLOB_CORRUPT if the manifest is invalid.
    """
    try:
        manifest = ResultManifest.model_validate_json(content)
    except ValidationError as error:
        raise _wrong(uri, f"its {MANIFEST} cannot be read") from error
    for file in manifest.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts:
            raise _wrong(uri, f"its {MANIFEST} lists {file.path}, which is outside the result's folder")
    return manifest


def _difference(wanted: ResultFile, found: ResultFile | None) -> str:
    if found is None:
        return "is missing"
    if found.size != wanted.size:
        return f"has {found.size} bytes instead of {wanted.size}"
    return "has different content"


def _wrong(uri: str, what: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.BLOB_CORRUPT,
        f"The files at {uri} are not the result of this job: {what}.",
        "Try again. If the error persists, another job has overwritten the result.",
    )
