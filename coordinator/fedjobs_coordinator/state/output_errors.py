"""What an error of a storage means: whether trying again can help, and what a person can do."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from fedjobs_common.errors import ErrorCode, FedjobsError

_CREDENTIALS = "Correct the credentials in the Secret that spec.output.secretName names, and their rights."
_PLACE = "Correct spec.output: the bucket or the folder must be there already."
_URI = "Correct spec.output.uri: file, s3, or a URL of another fsspec file system that is installed at the coordinator."
_OPTIONS = "Correct options.json in the Secret that spec.output.secretName names."

# botocore's, by name: it is there only where s3fs is used. Its other errors are about the network.
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
    """Turns what a file system raises into OUTPUT_REFUSED, or OUTPUT_FAILED where trying again can help."""
    try:
        yield
    except FedjobsError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {str(error).rstrip('.')}."
        if remedy := _remedy(error):
            raise refused(uri, what, remedy) from error
        raise FedjobsError(
            ErrorCode.OUTPUT_FAILED,
            f"The result could not be brought to {uri}: {what}",
            "See whether that storage can be reached from the coordinator, and has space; it is tried again.",
        ) from error


@contextlib.contextmanager
def options_explained(uri: str) -> Iterator[None]:
    """As `explained`, for what is said about the URI and its options before anything is reached."""
    try:
        yield
    except ImportError as error:
        raise refused(uri, f"{str(error).rstrip('.')}.", _URI) from error
    except TypeError as error:  # an argument that the file system does not take
        raise refused(uri, f"{str(error).rstrip('.')}.", _OPTIONS) from error
    except ValueError as error:
        raise refused(uri, f"{str(error).rstrip('.')}.", _URI) from error


def refused(uri: str, what: str, remedy: str = _OPTIONS) -> FedjobsError:
    """The output cannot be used as it is said."""
    return FedjobsError(ErrorCode.OUTPUT_REFUSED, f"{uri} cannot be used as the output: {what}", remedy)


def _remedy(error: Exception) -> str:
    """What to correct; empty where nothing needs to be."""
    for kind in type(error).__mro__:
        if remedy := _NAMED.get(kind.__name__):
            return remedy
    if isinstance(error, PermissionError):
        return _CREDENTIALS
    if isinstance(error, FileNotFoundError) or (isinstance(error, OSError) and error.errno in _READ_ONLY):
        return _PLACE
    return ""
