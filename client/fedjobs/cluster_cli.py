"""The commands that speak to a cluster. As in `cli`, what a command does is imported when it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedjobs.cli_options import (
    ON_A_CLUSTER,
    AsJson,
    Context,
    Debug,
    JobFile,
    JobName,
    Kubeconfig,
    Namespace,
    Plain,
    print_json,
)
from fedjobs.exits import Exit, errors_shown

if TYPE_CHECKING:
    from fedjobs.cluster.federated_jobs import FederatedJobs

app = typer.Typer()


@contextmanager
def _jobs(
    context: typer.Context, debug: bool, namespace: str | None, cluster_context: str | None, kubeconfig: Path | None
) -> Iterator[FederatedJobs]:
    """The jobs of the namespace that is meant; errors of the block end the command."""
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs.cluster.connections import Target, connect

        connection = connect(Target(kubeconfig, cluster_context, namespace))
        from fedjobs.cluster.federated_jobs import FederatedJobs

        yield FederatedJobs(connection)


@app.command(rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs submit job.yaml --watch")
def submit(
    context: typer.Context,
    job: JobFile,
    name: Annotated[str | None, typer.Option(help="Another name than the file's.", show_default="the file's")] = None,
    watched: Annotated[bool, typer.Option("--watch", "-w", help="Show the job until it is over.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait silently until the job is over.")] = False,
    plain: Plain = False,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Put a job on a cluster.

    The file is checked here first, as by fedjobs validate. A job that is there
    already, the same, is left as it is; another one of that name is an error.

    With --watch or --wait the command ends with the job: code 0 when it is
    complete, 1 when it failed. Ctrl-C leaves the job running.
    """
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs.cluster.connections import Target, connect

        connection = connect(Target(kubeconfig, cluster_context, namespace))
        from fedjobs.cluster import submission

        submitted = submission.submit(submission.load(job, name=name), connection)
        options = submitted.jobs.connection.target.options()
        made = str(submitted.job["metadata"]["name"])
        where = f"in namespace {submitted.jobs.namespace}"
        typer.echo(f"The job {made} is {'submitted' if submitted.new else 'there already, unchanged,'} {where}.")
        if watched or wait:
            _until_over(submitted.jobs, made, quiet=not watched, plain=plain)
        else:
            typer.echo(f"See it with: fedjobs watch {made}{options}")


@app.command("list", rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs list --all-namespaces")
def list_(
    context: typer.Context,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    as_json: AsJson = False,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """List the jobs of a namespace: phase, round, silos, restarts, age."""
    with _jobs(context, debug, namespace, cluster_context, kubeconfig) as jobs:
        import datetime

        from rich.console import Console

        from fedjobs.cluster import job_list

        found = job_list.listed(jobs.all(everywhere=everywhere))
        if as_json:
            print_json(found)
        elif found:
            now = datetime.datetime.now(datetime.UTC)
            Console().print(job_list.drawn(found, namespaces=everywhere, now=now))
        else:
            typer.echo("There are no jobs." if everywhere else f"There are no jobs in namespace {jobs.namespace}.")


@app.command(rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs watch digits")
def watch(
    context: typer.Context,
    name: JobName,
    plain: Plain = False,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Show a job until it is over: its rounds and its silos.

    A live table on a terminal, a line for each event elsewhere. Ends with code
    0 when the job is complete, 1 when it failed. Ctrl-C leaves it running.
    """
    with _jobs(context, debug, namespace, cluster_context, kubeconfig) as jobs:
        _until_over(jobs, name, quiet=False, plain=plain)


@app.command(rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs logs digits --follow")
def logs(
    context: typer.Context,
    name: JobName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
    attempt: Annotated[
        int | None, typer.Option(help="Of the coordinator's attempt with this number.", show_default="the last", min=1)
    ] = None,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the attempt before the last.")] = False,
    tail: Annotated[int | None, typer.Option(help="Only so many of the last lines.", min=0, show_default="all")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="JSON lines, as they were written.")] = False,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Show the log of a job's coordinator.

    A coordinator that crashed is started again: that is another attempt, with
    a log of its own. With --follow all that come are shown.
    """
    if attempt is not None and previous:
        raise typer.BadParameter("give one of them", param_hint="--attempt, --previous")
    with _jobs(context, debug, namespace, cluster_context, kubeconfig) as jobs:
        from fedjobs.cluster import log_lines, logs

        wanted = logs.Wanted(attempt=attempt, previous=previous, follow=follow, tail=tail)
        for line in logs.lines(jobs, name, wanted):
            typer.echo(line if raw else log_lines.readable(line))


@app.command(rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs suspend digits")
def suspend(
    context: typer.Context,
    name: JobName,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Suspend a job: its coordinator and its workers end, finished rounds stay."""
    with _jobs(context, debug, namespace, cluster_context, kubeconfig) as jobs:
        from fedjobs.cluster import job_changes

        typer.echo(job_changes.suspend(jobs, name))


@app.command(rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs resume digits")
def resume(
    context: typer.Context,
    name: JobName,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Let a suspended job go on, after the last round that it finished."""
    with _jobs(context, debug, namespace, cluster_context, kubeconfig) as jobs:
        from fedjobs.cluster import job_changes

        typer.echo(job_changes.resume(jobs, name))


@app.command(rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs cancel digits")
def cancel(
    context: typer.Context,
    name: JobName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Delete a job, running or not, with its coordinator and its invitations.

    Asks first, and says what becomes of its storage.
    """
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask at: say --yes", param_hint="--yes")
    with _jobs(context, debug, namespace, cluster_context, kubeconfig) as jobs:
        from fedjobs.cluster import job_changes, job_statuses

        job = jobs.get(name)
        if not yes:
            word = job_statuses.phase(job) or "new"
            typer.echo(f"The job {name} in namespace {jobs.namespace} is {word}. {job_changes.kept(job)}")
            typer.confirm(f"Delete the job {name}?", abort=True)
        typer.echo(job_changes.cancel(jobs, job))


def _until_over(jobs: FederatedJobs, name: str, *, quiet: bool, plain: bool) -> None:
    """Shows a job, says how it ended, and ends the command with the code for that."""
    from rich.console import Console

    from fedjobs import tables
    from fedjobs.cluster import job_watch

    console, options = Console(), jobs.connection.target.options()
    shown = tables.Lines(console, transfers=False) if plain else tables.view(console, transfers=False)
    try:
        with job_watch.Quiet() if quiet else shown as view:
            code, message = job_watch.watch(jobs, name, view)
    except KeyboardInterrupt:
        typer.echo(f"The job {name} goes on. See it again with: fedjobs watch {name}{options}", err=True)
        raise typer.Exit(Exit.INTERRUPTED) from None
    if code == Exit.DONE:
        typer.echo(f"{message} Bring its result here with: fedjobs result {name}{options}")
        return
    typer.secho("error ", fg=typer.colors.RED, bold=True, err=True, nl=False)
    typer.echo(message, err=True)
    raise typer.Exit(code)
