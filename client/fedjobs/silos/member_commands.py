"""`fedjobs silo invite|list|suspend|resume|remove`: manage silos through the API server of the federation's cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedjobs.cli_options import AsJson, Context, Debug, Kubeconfig, print_json
from fedjobs.exits import errors_shown

if TYPE_CHECKING:
    from fedjobs.silos.silo_objects import SiloObjects

_PANEL = "For the federation"
SiloName = Annotated[str, typer.Argument(metavar="NAME", help="The silo's name.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(rich_help_panel=_PANEL, epilog="Example: fedjobs silo invite hospital-a --label network=eu")(invite)
    app.command("list", rich_help_panel=_PANEL)(list_)
    app.command(rich_help_panel=_PANEL)(suspend)
    app.command(rich_help_panel=_PANEL)(resume)
    app.command(rich_help_panel=_PANEL)(remove)


@contextmanager
def _silos(
    context: typer.Context, debug: bool, cluster_context: str | None, kubeconfig: Path | None
) -> Iterator[SiloObjects]:
    """Yields the silos of the chosen cluster. An error in the block ends the command."""
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs.cluster.connections import Target, connect

        connection = connect(Target(kubeconfig, cluster_context))
        from fedjobs.silos.silo_objects import SiloObjects

        yield SiloObjects(connection)


def invite(
    context: typer.Context,
    name: SiloName,
    label: Annotated[
        list[str] | None, typer.Option(help="A label as KEY=VALUE, for label selectors of jobs. Can be repeated.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Issue a new token, and revoke the silo's current key.")
    ] = False,
    hub_namespace: Annotated[str, typer.Option(help="The namespace that the hub is installed in.")] = "fedjobs-system",
    as_json: AsJson = False,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Invite a silo, and print the command that its administrator installs it with.

    The command contains a token that can be used once and expires after a few
    days. Whoever uses the token first becomes the silo, so send it over a
    channel that you trust. Only the command is written to standard output.
    """
    with _silos(context, debug, cluster_context, kubeconfig) as silos:
        from fedjobs.silos import silo_invitations

        invited = silo_invitations.invite(silos, name, silo_invitations.labels(label or ()), hub_namespace, again=again)
        if as_json:
            print_json({"silo": name, "command": invited.command, "token": invited.token, "expires": invited.expires})
            return
        typer.echo(
            f"The silo {name} is invited. The token expires at {invited.expires}. Its administrator runs:", err=True
        )
        typer.echo(invited.command)


def list_(
    context: typer.Context,
    as_json: AsJson = False,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """List the silos of the federation, with their state and datasets."""
    with _silos(context, debug, cluster_context, kubeconfig) as silos:
        import datetime

        from rich.console import Console

        from fedjobs.silos import silo_list

        found = silo_list.listed(silos.all())
        if as_json:
            print_json(found)
        elif found:
            Console().print(silo_list.drawn(found, now=datetime.datetime.now(datetime.UTC)))
        else:
            typer.echo("There are no silos. Invite one with: fedjobs silo invite NAME")


def suspend(
    context: typer.Context,
    name: SiloName,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Suspend a silo. Within seconds, it leaves all jobs until it is resumed."""
    with _silos(context, debug, cluster_context, kubeconfig) as silos:
        silos.change(silos.get(name), {"spec": {"suspend": True}})
        typer.echo(f"The silo {name} is suspended. Resume it with: fedjobs silo resume {name}")


def resume(
    context: typer.Context,
    name: SiloName,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Resume a suspended silo."""
    with _silos(context, debug, cluster_context, kubeconfig) as silos:
        silos.change(silos.get(name), {"spec": {"suspend": False}})
        typer.echo(f"The silo {name} is resumed.")


def remove(
    context: typer.Context,
    name: SiloName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Remove a silo from the federation permanently, and revoke its key."""
    with _silos(context, debug, cluster_context, kubeconfig) as silos:
        silo = silos.get(name)
        if not yes:
            typer.confirm(
                f"Remove the silo {name}? To take part again, it must be invited and installed again.", abort=True
            )
        silos.delete(silo)
        typer.echo(f"The silo {name} is removed.")
