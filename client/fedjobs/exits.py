"""Exit codes of the command, and how it shows an error: its code, what happened, the remedy."""

from __future__ import annotations

import contextlib
import enum
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from fedjobs_common.errors import ErrorCode, FedjobsError


class Exit(enum.IntEnum):
    """Documented, so that scripts can go by them; in the command's help and on the page of errors in the same words.

    Attributes:
        meaning: What a script may conclude, without a full stop.
    """

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Exit:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    DONE = 0, "done"
    FAILED = 1, "the job failed, or has no result yet; or an audit log was altered"
    USAGE = 2, "the command line is wrong"
    INVALID_FILE = 3, "a file is invalid: the job's, a silo's, or what a folder should hold"
    ENVIRONMENT = 4, "the machine or the cluster is in the way: a port in use, a full disk"
    SUPERSEDED = 5, "of silo join: another agent of the same silo has taken its place"
    """The agent's own exit status, which the command passes on."""
    INTERRUPTED = 130, "interrupted with Ctrl-C; the same command goes on where it was"
    """Also where somebody else told the coordinator to stop."""


_INVALID_FILE = {
    "InvalidJob", "InvalidProgramParameter", "InvalidSiloFile", "UnknownProgram", "DataNotFound", "DataMalformed",
    "DataDoesNotFit",
}  # fmt: skip
_ENVIRONMENT = {"PortInUse", "DiskFull", "AlreadyRunning", "Unavailable"}


def exit_code(code: ErrorCode) -> Exit:
    """The exit code for an error that the command itself met (a job's own failure is FAILED, whatever its code)."""
    if code.label in _INVALID_FILE:
        return Exit.INVALID_FILE
    return Exit.ENVIRONMENT if code.label in _ENVIRONMENT else Exit.FAILED


@contextlib.contextmanager
def errors_shown(*, debug: bool) -> Iterator[None]:
    """Ends the command with a message and an exit code where the block raises.

    Args:
        debug: Also shows the stack trace.
    """
    from fedjobs_common.errors import FedjobsError

    try:
        yield
    except FedjobsError as error:
        show(error)
        code = exit_code(error.code)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        code = Exit.INTERRUPTED
    except BrokenPipeError:  # `fedjobs ... | head`: the reader has seen enough
        sys.stderr.close()
        code = Exit.DONE
    except OSError as error:
        _show("Unavailable", f"{error.filename or 'a file'}: {error.strerror or error}.", "")
        code = Exit.ENVIRONMENT
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        _show("Internal", f"{type(error).__name__}: {error}.", "This is a defect of fedjobs: report it, with --debug.")
        code = Exit.FAILED
    else:
        return
    if debug:
        traceback.print_exc()
    raise typer.Exit(code)


def show(error: FedjobsError, where: str = "") -> None:
    """Writes an error to standard error, with what it is about put before its message."""
    _show(error.code.label, where + error.message, error.remedy)


def _show(label: str, message: str, remedy: str) -> None:
    typer.secho(f"error {label}: ", fg=typer.colors.RED, bold=True, err=True, nl=False)
    typer.echo(message, err=True)
    if remedy:
        typer.echo(f"  {remedy}", err=True)
