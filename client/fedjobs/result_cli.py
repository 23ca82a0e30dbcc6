"""The command `fedjobs result`: of a folder of this machine, or of a job on a cluster, which it brings here first."""

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
            help="Folder of a run: the --out of fedjobs run; or the name of a job on a cluster.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Of a job on a cluster: the folder to bring its result to.", show_default="runs/NAME"),
    ] = None,
    as_json: AsJson = False,
    plot: Annotated[
        bool | None, typer.Option(help="Draw the learning curves, as PNG.", show_default="yes, without --json")
    ] = None,
    namespace: Namespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Show the result of a run: metrics by round, the model's digest, and where the model is.

    Draws the learning curves into DIR/result/learning-curves.png.

    Where there is no such folder, or an option says which cluster or --out
    where to, it is a job on a cluster: its result is brought to this machine
    first, checked, and laid out as the folder of a run:

        fedjobs result digits --namespace trials --out runs/digits

    Of a run that is not complete it shows the metrics so far, and ends with
    exit code 1.
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
            typer.echo(_incomplete(found), err=True)
            raise typer.Exit(Exit.FAILED)


def _is_a_job(of: str) -> bool:
    """Whether it can only be a job's name: no such folder, and no path."""
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
        what = f"There is no folder {name} here, so it was taken for a job on a cluster. {error.message}"
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
        typer.echo(f"warning: {path} could not be written: {error.strerror}.", err=True)
        return None


def _print_result(found: RunResult, curves: Path | None) -> None:
    from rich.console import Console

    from fedjobs import result_tables

    if found.metrics:
        Console().print(result_tables.drawn(found))
    # Not by rich, which would break long paths.
    places = result_tables.places(found) | ({"learning curves": str(curves)} if curves else {})
    for title, path in places.items():
        typer.echo(f"{title:<16} {path}")


def _incomplete(found: RunResult) -> str:
    from fedjobs.status_follower import read_status

    status = read_status(found.directory / "coordinator")
    if status is None:
        return "the job has not begun"
    reason = f" ({status.code})" if status.code else ""
    message = f": {status.message}" if status.message else ""
    rounds = "1 round" if status.round == 1 else f"{status.round} rounds"
    return f"the job has no result: it is {status.phase.value}{reason} after {rounds}{message}"
