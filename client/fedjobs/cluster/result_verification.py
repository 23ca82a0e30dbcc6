"""Checks that a fetched result is, file by file, the one that the job's status tells of."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.result_manifests import MANIFEST, ResultFile, ResultManifest, manifest_of
from pydantic import ValidationError


def verify(folder: Path, digest: str | None, uri: str) -> None:
    """Compares a folder with the digest of the result.

    Args:
        folder: With the fetched files. Where a manifest is among them, it says which files belong to the result.
        digest: `status.result.digest`; None: it is not known, so that only the files' own manifest can be compared.
        uri: Where the files are from.

    Raises:
        FedjobsError: BLOB_CORRUPT where it is another result, or not whole; with the first file that differs.
    """
    there = manifest_of("", folder)
    written = folder / MANIFEST
    if not written.exists():
        if digest is not None and there.digest != digest:
            raise _wrong(uri, f"its files have the digest {there.digest}, and the job's status has {digest}")
        return
    wanted = listed(written.read_bytes(), uri)
    if digest is not None and wanted.digest != digest:
        raise _wrong(uri, f"its {MANIFEST} has the digest {wanted.digest}, and the job's status has {digest}")
    found = {file.path: file for file in there.files}
    for file in wanted.files:
        if found.get(file.path) != file:
            raise _wrong(uri, f"{file.path} {_difference(file, found.get(file.path))}")


def listed(content: bytes, uri: str) -> ResultManifest:
    """The manifest of a result, which names only files below its folder.

    Raises:
        FedjobsError: BLOB_CORRUPT where it is none.
    """
    try:
        manifest = ResultManifest.model_validate_json(content)
    except ValidationError as error:
        raise _wrong(uri, f"its {MANIFEST} cannot be read") from error
    for file in manifest.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts:
            raise _wrong(uri, f"its {MANIFEST} names {file.path}, which is outside of it")
    return manifest


def _difference(wanted: ResultFile, found: ResultFile | None) -> str:
    if found is None:
        return "is missing"
    if found.size != wanted.size:
        return f"has {found.size} bytes instead of {wanted.size}"
    return "has other content"


def _wrong(uri: str, what: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.BLOB_CORRUPT,
        f"What is at {uri} is not the result of this job: {what}.",
        "Try again; if it stays so, another job has written there since.",
    )
