"""`fedjobs result`: shows the result in a folder, or fetches the result of a job on a cluster and shows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedjobs.cli_options import AsJson, Context, Debug, Kubeconfig, Namespace, print_json
from fedjobs.exits import Exit, errors_shown

if TYPE_CHECKING:
    from fedjobs.cluster.connections import Target
    from fedjobs.results import RunResult

EPILOG = "Example: fedjobs result runs/mine --json | jq -r .model.digest"
_JOB_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def result(
    context: typer.Context,
    of: Annotated[
        str,
        typer.Argument(
            metavar="DIR|NAME",
            help="The run's folder, as given to fedjobs run --out, or the name of a job on a cluster.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The folder for the result of a job on a cluster.", show_default="runs/NAME"),
    ] = None,
    as_json: AsJson = False,
    plot: Annotated[
        bool | None, typer.Option(help="Plot the learning curves to a PNG file.", show_default="yes, without --json")
    ] = None,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Show the metrics of each round, the model's digest and the paths of the model.

    Plots the learning curves to DIR/result/learning-curves.png.

    The argument is the name of a job on a cluster if no such folder exists, or
    if --out or one of the cluster options is given. The command then fetches
    the result, verifies it, and writes it as the folder of a run:

        fedjobs result digits --namespace trials --out runs/digits

    If the run is not complete, shows the metrics so far and ends with exit
    code 1.
    """
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs import results
        from fedjobs.cluster.connections import Target

        target = Target(kubeconfig, cluster_context, namespace)
        directory = Path(of)
        if target or out is not None or _is_a_job(of):
            directory = _fetched(of, out or Path("runs") / of, target)
        found = results.read(directory)
        curves = _curves(found) if plot or (plot is None and not as_json) else None
        if as_json:
            print_json(found.as_json())
        else:
            _print_result(found, curves)
        if not found.complete:
            from fedjobs_common.untrusted_text import printable

            typer.echo(printable(_incomplete(found)), err=True)
            raise typer.Exit(Exit.FAILED)


def _is_a_job(of: str) -> bool:
    """Returns whether the argument can only be a job's name: it is not an existing path, and it is a valid name."""
    return not Path(of).exists() and _JOB_NAME.fullmatch(of) is not None


def _fetched(name: str, out: Path, target: Target) -> Path:
    from fedjobs_common.errors import FedjobsError

    from fedjobs.cluster.connections import connect

    try:
        connection = connect(target)
        from fedjobs.cluster.federated_jobs import FederatedJobs
        from fedjobs.cluster.result_fetcher import fetch

        fetch(FederatedJobs(connection), name, out, lambda text: typer.echo(text, err=True))
    except FedjobsError as error:
        if target or Path(name).exists():
            raise
        what = f"There is no folder {name}, so {name} was looked up as a job on a cluster. {error.message}"
        raise FedjobsError(error.code, what, error.remedy) from error
    typer.echo(f"The files of the job {name} are in {out}.", err=True)
    return out


def _curves(found: RunResult) -> Path | None:
    from fedjobs import plots

    path = found.directory / "result" / plots.FILE
    try:
        return (
            path if path.parent.is_dir() and plots.learning_curves(found.metrics, path, found.directory.name) else None
        )
    except OSError as error:
        typer.echo(f"warning: cannot write {path}: {error.strerror}.", err=True)
        return None


def _print_result(found: RunResult, curves: Path | None) -> None:
    from rich.console import Console

    from fedjobs import result_tables

    if found.metrics:
        Console().print(result_tables.drawn(found))
    # Not printed by rich, which breaks long paths.
    places = result_tables.places(found) | ({"learning curves": str(curves)} if curves else {})
    for title, path in places.items():
        typer.echo(f"{title:<16} {path}")


def _incomplete(found: RunResult) -> str:
    from fedjobs.status_follower import read_status

    status = read_status(found.directory / "coordinator")
    if status is None:
        return "The job has not started."
    reason = f" ({status.code})" if status.code else ""
    message = f": {status.message}" if status.message else ""
    rounds = "1 round" if status.round == 1 else f"{status.round} rounds"
    return f"The job has no result: it is {status.phase.value}{reason} after {rounds}{message}"
