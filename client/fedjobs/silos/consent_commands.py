"""`fedjobs silo pending|approve|deny`: a silo's administrator reviews computations and decides whether they may run."""

from __future__ import annotations

import datetime
import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fedjobs.cli_options import AsJson, Context, Debug, Kubeconfig, print_json
from fedjobs.exits import errors_shown

if TYPE_CHECKING:
    from fedjobs.silos.approval_places import ApprovalPlace

_PANEL = "For a silo"
Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        help="For a silo without a cluster: the silo's folder, which has the subfolders pending and approvals.",
        show_default="the cluster",
    ),
]
OwnNamespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="The namespace that the silo is installed in.", show_default="the context's"
    ),
]
Digest = Annotated[
    str,
    typer.Argument(metavar="DIGEST", help="The computation's digest, or at least 6 digits of it.", show_default=False),
]
Dataset = Annotated[
    str | None,
    typer.Option(help="The dataset that the computation reads, if it is pending for several.", show_default=False),
]
Message = Annotated[str, typer.Option("--message", "-m", help="The reason for the decision.", show_default=False)]


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
    """Yields the place of the chosen silo. An error in the block ends the command."""
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
        str | None,
        typer.Argument(metavar="[DIGEST]", help="Show what this computation does.", show_default=False),
    ] = None,
    dataset: Dataset = None,
    whole_graph: Annotated[
        bool, typer.Option("--whole-graph", help="Also print all lines of the computation's graphs.")
    ] = False,
    as_json: AsJson = False,
    folder: Folder = None,
    namespace: OwnNamespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """List the computations that wait for approval in this silo."""
    with _place(context, debug, folder, namespace, cluster_context, kubeconfig) as place:
        from fedjobs_common.untrusted_text import printable, printable_lines

        from fedjobs.silos import approval_places

        waiting = place.pending()
        if digest is not None:
            found, one = approval_places.named(place, digest, dataset)
            waiting = [one] if one else []
            typer.echo(
                printable_lines(one.explanation) if one else f"{found} is not pending in this silo.", nl=one is None
            )
            if one and whole_graph:
                typer.echo("\n".join(["graphs:", *(printable(line, 1_000_000) for line in one.graph)]))
        elif as_json:
            print_json([each.model_dump(by_alias=True, mode="json") for each in waiting])
        elif not waiting:
            typer.echo("No computations are pending.")
        else:
            for each in waiting:
                who = f" by {each.requested_by}" if each.requested_by else ""
                reads = ", ".join(each.scope.datasets) or "no dataset"
                about = f"{each.digest[:12]}  {each.label}  reads {reads}  job {each.job_name}{who}"
                typer.echo(printable(f"{about}  until {_time(each.until)}"))
            typer.echo("Show one with: fedjobs silo pending DIGEST")


def approve(
    context: typer.Context,
    digest: Digest,
    message: Message = "",
    dataset: Dataset = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the approval.")] = False,
    folder: Folder = None,
    namespace: OwnNamespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Approve a computation in this silo.

    The approval covers the computation with this digest, the dataset and the
    columns that it reads, the values that it sends, and the silo's limits. It is
    valid in every job that the silo's policy admits.

    In a terminal, the command shows the computation and asks first.
    """
    with _place(context, debug, folder, namespace, cluster_context, kubeconfig) as place:
        _say(place, digest, "approved", message, dataset, ask=sys.stdin.isatty() and not yes)


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
    """Deny a computation in this silo, whatever it reads.

    The user who runs the job sees the message. The denial replaces earlier
    approvals.
    """
    with _place(context, debug, folder, namespace, cluster_context, kubeconfig) as place:
        _say(place, digest, "denied", message)


def _say(
    place: ApprovalPlace,
    written: str,
    decision: Literal["approved", "denied"],
    message: str,
    dataset: str | None = None,
    *,
    ask: bool = False,
) -> None:
    from fedjobs_common.errors import ErrorCode, FedjobsError
    from fedjobs_common.untrusted_text import printable_lines
    from fedjobs_worker.consent.approvals import Approval

    from fedjobs.silos import approval_places

    digest, waiting = approval_places.named(place, written, dataset)
    if waiting is not None:
        typer.echo(printable_lines(waiting.explanation), nl=False)
    elif decision == "approved":
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"The computation {digest} is not pending, so it is not known which data it reads and what it sends.",
            "Approve it when a job asks for it, or list it in policy.computations.digests of the silo's file.",
        )
    # Another computation with the same first digits may have replaced the one that the person has read.
    if ask and not typer.confirm(f"Approve the computation {digest} as shown above?"):
        typer.echo("nothing approved")
        raise typer.Exit(1)
    scope = waiting.scope if waiting is not None and decision == "approved" else None
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    place.say(digest, Approval(decision=decision, by=getpass.getuser(), at=now, message=message, scope=scope))
    typer.echo(f"{decision} {digest}")


def _time(seconds: float) -> str:
    if not 0 <= seconds < datetime.datetime.max.timestamp() - 24 * 3600:
        return f"time {seconds}"
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="minutes")
