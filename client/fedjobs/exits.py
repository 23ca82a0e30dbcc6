"""The command's exit codes, and how it shows an error: the code, what happened, and what to do."""

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
    """The exit codes of the command, which scripts may rely on.

    The command's help and the page on errors print the same text.

    Attributes:
        meaning: What the code means, without a full stop.
    """

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Exit:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    DONE = 0, "done"
    FAILED = 1, "the job failed or has no result yet, or an audit log was altered"
    USAGE = 2, "the command line is wrong"
    INVALID_FILE = 3, "invalid input: a job, a silo file, a dataset or a folder"
    ENVIRONMENT = 4, "a problem with the machine or the cluster, such as a port in use or a full disk"
    SUPERSEDED = 5, "silo join only: another agent of the same silo has replaced this one"
    """The agent's exit status, which the command passes on."""
    INTERRUPTED = 130, "interrupted with Ctrl-C; run the same command again to continue"
    """Also if something else stopped the coordinator."""


_INVALID_FILE = {
    "InvalidJob", "InvalidProgramParameter", "InvalidSiloFile", "UnknownProgram", "DataNotFound", "DataMalformed",
    "SchemaMismatch",
}  # fmt: skip
_ENVIRONMENT = {"PortInUse", "DiskFull", "AlreadyRunning", "Unavailable"}


def exit_code(code: ErrorCode) -> Exit:
    """Returns the exit code for an error of the command itself. A job that fails is FAILED, whatever its code."""
    if code.label in _INVALID_FILE:
        return Exit.INVALID_FILE
    return Exit.ENVIRONMENT if code.label in _ENVIRONMENT else Exit.FAILED


@contextlib.contextmanager
def errors_shown(*, debug: bool) -> Iterator[None]:
    """Ends the command with a message and an exit code if the block raises.

    Args:
        debug: Whether to show the stack trace too.
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
    except BrokenPipeError:  # `fedjobs ... | head`: the reader has closed the pipe
        sys.stderr.close()
        code = Exit.DONE
    except OSError as error:
        _show("Unavailable", f"{error.filename or 'a file'}: {error.strerror or error}.", "")
        code = Exit.ENVIRONMENT
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        _show(
            "Internal",
            f"{type(error).__name__}: {error}.",
            "This is a bug in fedjobs. Run the command with --debug, and report the stack trace.",
        )
        code = Exit.FAILED
    else:
        return
    if debug:
        traceback.print_exc()
    raise typer.Exit(code)


def show(error: FedjobsError, where: str = "") -> None:
    """Writes an error to standard error, with `where` before its message."""
    _show(error.code.label, where + error.message, error.remedy)


def _show(label: str, message: str, remedy: str) -> None:
    from fedjobs_common.untrusted_text import printable_lines

    typer.secho(f"error {label}: ", fg=typer.colors.RED, bold=True, err=True, nl=False)
    typer.echo(printable_lines(message), err=True)
    if remedy:
        typer.echo(f"  {printable_lines(remedy)}", err=True)
