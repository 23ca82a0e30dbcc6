"""Explains errors of the output's storage: whether a retry can help, and what to do."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from fedjobs_common.errors import ErrorCode, FedjobsError

_CREDENTIALS = "Correct the credentials in the Secret of spec.output.secretRef, and their permissions."
_PLACE = "Correct spec.output: the bucket or the folder must exist."
_URI = "Correct spec.output.uri: use file, s3, or another fsspec file system that is installed at the coordinator."
_OPTIONS = "Correct options.json in the Secret of spec.output.secretRef."

# Errors of botocore, by name, because it is installed only with s3fs. Its other errors are about the network.
_NAMED = {
    "NoCredentialsError": _CREDENTIALS,
    "PartialCredentialsError": _CREDENTIALS,
    "ProfileNotFound": _CREDENTIALS,
    "ParamValidationError": _PLACE,
    "InvalidRegionError": _OPTIONS,
}
_READ_ONLY = frozenset({errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG})


@contextlib.contextmanager
def explained(uri: str) -> Iterator[None]:
    """Converts errors of a file system to OUTPUT_UNAVAILABLE if a retry can help, otherwise to INVALID_OUTPUT."""
    try:
        yield
    except FedjobsError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {str(error).rstrip('.')}."
        if remedy := _remedy(error):
            raise refused(uri, what, remedy) from error
        raise FedjobsError(
            ErrorCode.OUTPUT_UNAVAILABLE,
            f"The result could not be exported to {uri}: {what}",
            "Check that the coordinator can connect to the storage and that it has free space. The export is retried.",
        ) from error


@contextlib.contextmanager
def options_explained(uri: str) -> Iterator[None]:
    """Converts errors about the URI and its options that occur before any connection."""
    try:
        yield
    except ImportError as error:
        raise refused(uri, f"{str(error).rstrip('.')}.", _URI) from error
    except TypeError as error:  # an option that the file system does not support
        raise refused(uri, f"{str(error).rstrip('.')}.", _OPTIONS) from error
    except ValueError as error:
        raise refused(uri, f"{str(error).rstrip('.')}.", _URI) from error


def refused(uri: str, what: str, remedy: str = _OPTIONS) -> FedjobsError:
    """Returns the error for an output that cannot be used."""
    return FedjobsError(ErrorCode.INVALID_OUTPUT, f"{uri} cannot be used as the output: {what}", remedy)


def _remedy(error: Exception) -> str:
    """Returns what to correct. Empty if a retry can help."""
    for kind in type(error).__mro__:
        if remedy := _NAMED.get(kind.__name__):
            return remedy
    if isinstance(error, PermissionError):
        return _CREDENTIALS
    if isinstance(error, FileNotFoundError) or (isinstance(error, OSError) and error.errno in _READ_ONLY):
        return _PLACE
    return ""
