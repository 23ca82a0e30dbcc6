"""`fedjobs silo join`: runs a silo on a machine without Kubernetes. The workers are processes on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedjobs.cli_options import Debug
from fedjobs.exits import errors_shown

_HIGHEST_PORT = 65535
_PANEL = "For a silo"


def _address(given: str | None) -> str | None:
    if given is not None:
        host, _, port = given.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
            raise typer.BadParameter(f"'{given}' is not of the form HOST:PORT.")
    return given


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        rich_help_panel=_PANEL, epilog="Example: fedjobs silo join silo.yaml --token-file token --dir /var/lib/fedjobs"
    )(join)


def join(
    context: typer.Context,
    silo_file: Annotated[Path, typer.Argument(metavar="SILO", help="Path of the silo file.", show_default=False)],
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="File with the token of the invitation. Only needed until the silo is enrolled.",
            show_default="token in --dir",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="DIR",
            help="The silo's folder, for its key, certificate, audit log and approvals.",
            show_default="silos/NAME",
        ),
    ] = None,
    dial: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Connect to this address instead of the addresses that the federation announces.",
            callback=_address,
        ),
    ] = None,
    metrics_bind_address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Address for /metrics and /healthz. Port 0 chooses a free port.",
            callback=_address,
        ),
    ] = "127.0.0.1:0",
    trust_job_owners: Annotated[
        bool,
        typer.Option(
            "--trust-job-owners",
            help="Run even if this machine cannot isolate graphs. Then a job's owner can read and change the files of "
            "this user.",
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Run a silo on this machine until Ctrl-C.

    Enrols the silo with the token of its invitation. Then takes part in the
    jobs that invite the silo, as far as the silo file allows. Connects through
    the proxy in $https_proxy, if it is set.

    Graphs run isolated from this machine's files, processes and network. The
    command refuses to start on a machine that cannot isolate them.

    Exit codes: 3 if a file is invalid; 4 if there is a problem with the
    machine, or the token is rejected; 5 if another agent of the same silo has
    replaced this one.
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
    raise typer.Exit(
        command_line.serve_machine(config, own, metrics_bind_address, debug=debug, trusts_job_owners=trust_job_owners)
    )
