"""`fedjobs silo join`: a silo on a machine without Kubernetes; workers are processes of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedjobs.cli_options import Debug
from fedjobs.exits import errors_shown

_HIGHEST_PORT = 65535
_PANEL = "A silo's own side"


def _address(given: str | None) -> str | None:
    if given is not None:
        host, _, port = given.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
            raise typer.BadParameter(f"'{given}' is not HOST:PORT.")
    return given


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        rich_help_panel=_PANEL, epilog="Example: fedjobs silo join silo.yaml --token-file token --dir /var/lib/fedjobs"
    )(join)


def join(
    context: typer.Context,
    silo_file: Annotated[Path, typer.Argument(metavar="SILO", help="The silo's own file.", show_default=False)],
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="The token of the invitation; once enrolled, it is not needed any more.",
            show_default="token in --dir",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="DIR",
            help="The silo's folder: its key and certificate, audit log, approvals.",
            show_default="silos/NAME",
        ),
    ] = None,
    dial: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Dial this instead of the addresses that the federation says.",
            callback=_address,
        ),
    ] = None,
    metrics: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve /metrics and /healthz there; port 0: any free one.",
            callback=_address,
        ),
    ] = "127.0.0.1:0",
    debug: Debug = False,
) -> None:
    """Take part in a federation with this machine, until Ctrl-C.

    Enrols the silo with the token that the federation sent, and works for the jobs that invite it, as far as the silo's
    own file allows. A proxy is taken from $https_proxy.

    Exit codes: 3 a file is invalid; 4 something of the machine is in the way, or the token is refused; 5 another agent
    of the same silo has taken this one's place.
    """
    debug = debug or bool(context.obj)
    with errors_shown(debug=debug):
        from fedjobs_agent import command_line
        from fedjobs_agent.config import AgentConfig
        from fedjobs_worker import silo_files

        name = silo_files.load(silo_file).silo
        own = (folder or Path("silos") / name).resolve()
        config = AgentConfig(
            silo=name,
            silo_file=silo_file.resolve(),
            image="none",  # workers are processes
            dial_address=dial,
            audit_file=own / "audit.jsonl",
            token_file=(token_file or own / "token").resolve(),
        )
    raise typer.Exit(command_line.serve_machine(config, own, metrics, debug=debug))
