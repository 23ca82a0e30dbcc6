"""`fedjobs silo invite|list|suspend|resume|remove`: the federation's side, over the API of its cluster."""

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

_PANEL = "In the federation's cluster"
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
    """The silos of the cluster that is meant; errors of the block end the command."""
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs.cluster.connections import Target, connect

        connection = connect(Target(kubeconfig, cluster_context))
        from fedjobs.silos.silo_objects import SiloObjects

        yield SiloObjects(connection)


def invite(
    context: typer.Context,
    name: SiloName,
    label: Annotated[
        list[str] | None, typer.Option(help="A label as KEY=VALUE, which jobs may select; may be repeated.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="With a new token; the key that the silo had counts no more.")
    ] = False,
    hub_namespace: Annotated[str, typer.Option(help="Where the hub is installed.")] = "fedjobs-system",
    as_json: AsJson = False,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Invite a silo: prints the line that its people install it with.

    The line has a token that is good once, for a few days. Whoever has it first
    becomes the silo: send it on a way that you trust. Its output is all that is
    printed, so that it can be piped.
    """
    with _silos(context, debug, cluster_context, kubeconfig) as silos:
        from fedjobs.silos import silo_invitations

        invited = silo_invitations.invite(silos, name, silo_invitations.labels(label or ()), hub_namespace, again=again)
        if as_json:
            print_json({"silo": name, "command": invited.command, "token": invited.token, "expires": invited.expires})
            return
        typer.echo(f"The silo {name} is invited until {invited.expires}. Its administrator installs it with:", err=True)
        typer.echo(invited.command)


def list_(
    context: typer.Context,
    as_json: AsJson = False,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """List the silos of the federation: whether they are there, and what they offer."""
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
    """Drop a silo from everything, within seconds, until it is resumed."""
    with _silos(context, debug, cluster_context, kubeconfig) as silos:
        silos.change(silos.get(name), {"spec": {"suspend": True}})
        typer.echo(f"The silo {name} is suspended. It is back with: fedjobs silo resume {name}")


def resume(
    context: typer.Context,
    name: SiloName,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Let a suspended silo take part again."""
    with _silos(context, debug, cluster_context, kubeconfig) as silos:
        silos.change(silos.get(name), {"spec": {"suspend": False}})
        typer.echo(f"The silo {name} may take part again.")


def remove(
    context: typer.Context,
    name: SiloName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Remove a silo from the federation for good: its key never counts again."""
    with _silos(context, debug, cluster_context, kubeconfig) as silos:
        silo = silos.get(name)
        if not yes:
            typer.confirm(
                f"Remove the silo {name}? To take part again it must be invited and installed anew.", abort=True
            )
        silos.delete(silo)
        typer.echo(f"The silo {name} is removed.")
