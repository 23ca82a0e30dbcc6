"""The commands that use a cluster. As in `cli`, each command imports its implementation when it runs."""

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
    """Yields the jobs of the chosen namespace. An error in the block ends the command."""
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs.cluster.connections import Target, connect

        connection = connect(Target(kubeconfig, cluster_context, namespace))
        from fedjobs.cluster.federated_jobs import FederatedJobs

        yield FederatedJobs(connection)


@app.command(rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs submit job.yaml --watch")
def submit(
    context: typer.Context,
    job: JobFile,
    name: Annotated[
        str | None, typer.Option(help="The job's name, instead of the one in the file.", show_default="the file's")
    ] = None,
    watched: Annotated[bool, typer.Option("--watch", "-w", help="Show the job until it ends.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job ends, without output.")] = False,
    plain: Plain = False,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Submit a job to a cluster.

    Validates the file first, as fedjobs validate does. If the same job exists
    already, it is left unchanged. A different job with that name is an error.

    With --watch or --wait, the command ends when the job ends, with exit code
    0 if it completed and 1 if it failed. Ctrl-C leaves the job running.
    """
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs.cluster.connections import Target, connect

        connection = connect(Target(kubeconfig, cluster_context, namespace))
        from fedjobs.cluster import submission

        submitted = submission.submit(submission.load(job, name=name), connection)
        options = submitted.jobs.connection.target.options()
        made = str(submitted.job["metadata"]["name"])
        where = f"in namespace {submitted.jobs.namespace}"
        typer.echo(f"The job {made} {'is submitted' if submitted.new else 'exists already, unchanged,'} {where}.")
        if watched or wait:
            _until_over(submitted.jobs, made, quiet=not watched, plain=plain)
        else:
            typer.echo(f"Watch it with: fedjobs watch {made}{options}")


@app.command("list", rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs list --all-namespaces")
def list_(
    context: typer.Context,
    everywhere: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="List the jobs of all namespaces.")
    ] = False,
    as_json: AsJson = False,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """List the jobs of a namespace, with phase, round, silos, restarts and age."""
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
    """Show the rounds and silos of a job until it ends.

    On a terminal, shows a live table. Elsewhere, each event is one line. The
    exit code is 0 if the job completed and 1 if it failed. Ctrl-C leaves the
    job running.
    """
    with _jobs(context, debug, namespace, cluster_context, kubeconfig) as jobs:
        _until_over(jobs, name, quiet=False, plain=plain)


@app.command(rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs logs digits --follow")
def logs(
    context: typer.Context,
    name: JobName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stream the log until the job ends.")] = False,
    attempt: Annotated[
        int | None, typer.Option(help="Show the attempt with this number.", show_default="the last", min=1)
    ] = None,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Show the attempt before the last.")] = False,
    tail: Annotated[
        int | None, typer.Option(help="Number of lines to show from the end.", min=0, show_default="all")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print the JSON lines unchanged.")] = False,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Show the log of a job's coordinator.

    A coordinator that crashes is restarted. Each start is a new attempt with
    its own log. --follow also shows the logs of later attempts.
    """
    if attempt is not None and previous:
        raise typer.BadParameter("use only one of them", param_hint="--attempt, --previous")
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
    """Suspend a job. Its coordinator and workers end, and its completed rounds are kept."""
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
    """Resume a suspended job after its last completed round."""
    with _jobs(context, debug, namespace, cluster_context, kubeconfig) as jobs:
        from fedjobs.cluster import job_changes

        typer.echo(job_changes.resume(jobs, name))


@app.command(rich_help_panel=ON_A_CLUSTER, epilog="Example: fedjobs cancel digits")
def cancel(
    context: typer.Context,
    name: JobName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Delete a job, whether it runs or not, with its coordinator and invitations.

    Asks for confirmation, and says whether the job's storage is kept.
    """
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for confirmation; add --yes", param_hint="--yes")
    with _jobs(context, debug, namespace, cluster_context, kubeconfig) as jobs:
        from fedjobs.cluster import job_changes, job_statuses

        job = jobs.get(name)
        if not yes:
            word = job_statuses.phase(job) or "new"
            typer.echo(f"The job {name} in namespace {jobs.namespace} is {word}. {job_changes.kept(job)}")
            typer.confirm(f"Delete the job {name}?", abort=True)
        typer.echo(job_changes.cancel(jobs, job))


def _until_over(jobs: FederatedJobs, name: str, *, quiet: bool, plain: bool) -> None:
    """Shows a job until it ends, prints how it ended, and exits with the code for that."""
    from fedjobs_common.untrusted_text import printable
    from rich.console import Console

    from fedjobs import tables
    from fedjobs.cluster import job_watch

    console, options = Console(), jobs.connection.target.options()
    shown = tables.Lines(console, transfers=False) if plain else tables.view(console, transfers=False)
    try:
        with job_watch.Quiet() if quiet else shown as view:
            code, said = job_watch.watch(jobs, name, view)
    except KeyboardInterrupt:
        typer.echo(f"The job {name} continues. Watch it again with: fedjobs watch {name}{options}", err=True)
        raise typer.Exit(Exit.INTERRUPTED) from None
    message = printable(said)
    if code == Exit.DONE:
        typer.echo(f"{message} Fetch its result with: fedjobs result {name}{options}")
        return
    typer.secho("error ", fg=typer.colors.RED, bold=True, err=True, nl=False)
    typer.echo(message, err=True)
    raise typer.Exit(code)
