"""`fedjobs silo pending|approve|deny`: a silo's people look at computations, and say whether they may run."""

from __future__ import annotations

import datetime
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fedjobs.cli_options import AsJson, Context, Debug, Kubeconfig, print_json
from fedjobs.exits import errors_shown

if TYPE_CHECKING:
    from fedjobs.silos.approval_places import ApprovalPlace

_PANEL = "A silo's own side"
Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        help="On one machine: the silo's folder, with the folders pending and approvals.",
        show_default="the cluster",
    ),
]
OwnNamespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Where the silo is installed.", show_default="the context's"),
]
Digest = Annotated[
    str, typer.Argument(metavar="DIGEST", help="The computation's digest, or its beginning.", show_default=False)
]
Message = Annotated[str, typer.Option("--message", "-m", help="Why.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(rich_help_panel=_PANEL, epilog="Example: fedjobs silo pending 4f1a9c")(pending)
    app.command(rich_help_panel=_PANEL, epilog="Example: fedjobs silo approve 4f1a9c")(approve)
    app.command(rich_help_panel=_PANEL, epilog='Example: fedjobs silo deny 4f1a9c --message "not with these data"')(
        deny
    )


@contextmanager
def _place(
    context: typer.Context,
    debug: bool,
    folder: Path | None,
    namespace: str | None,
    cluster_context: str | None,
    kubeconfig: Path | None,
) -> Iterator[ApprovalPlace]:
    """The silo that is meant; errors of the block end the command."""
    with errors_shown(debug=debug or bool(context.obj)):
        if folder is not None:
            from fedjobs.silos.approval_places import Folders

            yield Folders(folder)
        else:
            from fedjobs.cluster.connections import Target, connect
            from fedjobs.silos.silo_namespaces import SiloNamespace

            yield SiloNamespace(connect(Target(kubeconfig, cluster_context, namespace)))


def pending(
    context: typer.Context,
    digest: Annotated[
        str | None, typer.Argument(metavar="[DIGEST]", help="Show one, with all that it does.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    folder: Folder = None,
    namespace: OwnNamespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """List the computations that wait for a person of this silo."""
    with _place(context, debug, folder, namespace, cluster_context, kubeconfig) as place:
        from fedjobs.silos import approval_places

        waiting = place.pending()
        if digest is not None:
            found, one = approval_places.named(place, digest)
            waiting = [one] if one else []
            typer.echo(one.explanation if one else f"{found} does not wait here.", nl=one is None)
        elif as_json:
            print_json([each.model_dump(by_alias=True, mode="json") for each in waiting])
        elif not waiting:
            typer.echo("nothing waits")
        else:
            for each in waiting:
                who = f" by {each.requested_by}" if each.requested_by else ""
                typer.echo(f"{each.digest[:12]}  {each.label}  job {each.job_name}{who}  until {_time(each.until)}")
            typer.echo("Look at one: fedjobs silo pending DIGEST")


def approve(
    context: typer.Context,
    digest: Digest,
    message: Message = "",
    folder: Folder = None,
    namespace: OwnNamespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Let a computation run in this silo: exactly the one of this digest, for any job that the policy admits."""
    with _place(context, debug, folder, namespace, cluster_context, kubeconfig) as place:
        _say(place, digest, "approved", message)


def deny(
    context: typer.Context,
    digest: Digest,
    message: Message = "",
    folder: Folder = None,
    namespace: OwnNamespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Refuse a computation in this silo; the message is shown to who runs the job."""
    with _place(context, debug, folder, namespace, cluster_context, kubeconfig) as place:
        _say(place, digest, "denied", message)


def _say(place: ApprovalPlace, written: str, decision: Literal["approved", "denied"], message: str) -> None:
    from fedjobs_worker.consent.approvals import Approval

    from fedjobs.silos import approval_places

    digest, waiting = approval_places.named(place, written)
    if waiting is not None:
        typer.echo(waiting.explanation, nl=False)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    place.say(digest, Approval(decision=decision, by=getpass.getuser(), at=now, message=message))
    typer.echo(f"{decision} {digest}")


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="minutes")
