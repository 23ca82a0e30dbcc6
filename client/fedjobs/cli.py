"""The command `fedjobs`. What a command does is elsewhere and is imported when it runs, so that `--help` is quick."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedjobs.exits import Exit, errors_shown, show

if TYPE_CHECKING:
    from fedjobs.results import RunResult
    from fedjobs.runs import RunOutcome
    from fedjobs.validation import Checked

_EPILOG = """
[bold]Exit codes[/bold]

  0  done
  1  the job failed, or has no result yet
  2  the command line is wrong
  3  a file is invalid: the job's, a silo's, or what a folder should hold
  4  something of the machine is in the way, such as a port in use
130  interrupted with Ctrl-C; the same command goes on where it was
"""

app = typer.Typer(
    name="fedjobs",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)

Debug = Annotated[bool, typer.Option("--debug", help="Show stack traces, and write more to the logs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The job's YAML file.", show_default=False)]
Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of a run: the --out of fedjobs run.", show_default=False)
]


@app.callback()
def _main(context: typer.Context, debug: Debug = False) -> None:
    """Cross-silo federated jobs: silos that only dial out, computations that they can read before they run them.

    A job says what to compute, a silo's own file where its data are and what it allows. Try one on this machine:

        [cyan]fedjobs validate job.yaml --silos silos.yaml[/cyan]
        [cyan]fedjobs run job.yaml --silos silos.yaml --out runs/mine[/cyan]
        [cyan]fedjobs result runs/mine[/cyan]

    Ctrl-C stops a run cleanly; the same command goes on where it was.
    """
    context.obj = debug


@app.command(epilog="Example: fedjobs run job.yaml --silos silos.yaml --out runs/mine")
def run(
    context: typer.Context,
    job: JobFile,
    silos: Annotated[Path, typer.Option(help="The silos' files, as YAML documents with --- between them.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run; an interrupted run in it goes on.", show_default="runs/NAME"),
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port of the coordinator on 127.0.0.1; 0: any free one.", min=0, max=65535)
    ] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines, also on a terminal.")] = False,
    debug: Debug = False,
) -> None:
    """Run a job on this machine: a coordinator, and a worker for each silo.

    Shows rounds and silos while it runs: a live table on a terminal, a line
    for each event elsewhere. The workers dial out to the coordinator over
    mutual TLS, with certificates that are made for this run.

    Ctrl-C ends all processes of the run; the same command goes on after the
    last finished round.
    """
    debug = debug or bool(context.obj)
    with errors_shown(debug=debug):
        outcome = _shown(job, silos, out, port, plain, debug)
        _end(outcome)


def _shown(job: Path, silos: Path, out: Path | None, port: int, plain: bool, debug: bool) -> RunOutcome:
    from rich.console import Console

    from fedjobs import runs, tables

    console = Console()
    with tables.Lines(console) if plain else tables.view(console) as view:
        return runs.run(job, silos, out, listen_port=port, debug=debug, on_status=view.status, on_event=view.event)


def _end(outcome: RunOutcome) -> None:
    """Says how a run ended, and ends with its exit code."""
    if outcome.exit_code == Exit.DONE:
        typer.echo(f"{outcome.message} See it with: fedjobs result {shlex.quote(str(_shortest(outcome.directory)))}")
        return
    if outcome.exit_code == Exit.INTERRUPTED:
        typer.echo(outcome.message, err=True)
    else:
        typer.secho("error ", fg=typer.colors.RED, bold=True, err=True, nl=False)
        typer.echo(outcome.message, err=True)
        typer.echo(f"  Logs are in {_shortest(outcome.directory / 'logs')}.", err=True)
    raise typer.Exit(outcome.exit_code)


def _shortest(path: Path) -> Path:
    """As a person would write it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@app.command(epilog="Example: fedjobs validate job.yaml --silos silos.yaml")
def validate(
    context: typer.Context,
    job: JobFile,
    silos: Annotated[Path | None, typer.Option(help="Also check the silos' files, and that they fit.")] = None,
    data: Annotated[bool, typer.Option("--data", help="Also read all data that the job will ask for.")] = False,
    debug: Debug = False,
) -> None:
    """Check a job's file, and the silos' files, without running anything.

    An error names the field's path, its value and what to do.
    """
    if data and silos is None:
        raise typer.BadParameter("it needs --silos, which say where the data are", param_hint="--data")
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs import validation

        if silos is None:
            typer.echo(f"{job} is valid: job {validation.check_job(job).metadata.name}")
            return
        checked = validation.check(job, silos)
        for warning in checked.warnings:
            typer.echo(f"warning: {warning}", err=True)
        typer.echo(f"{job} is valid: job {checked.resolved.name} for {', '.join(checked.resolved.silos)}")
        if data and not _data_are_good(checked):
            raise typer.Exit(Exit.INVALID_FILE)


def _data_are_good(checked: Checked) -> bool:
    """Says of each dataset what is in it, or what is wrong with it."""
    import logging

    import structlog

    from fedjobs import validation

    # A silo's log names the value that does not fit; here the error says enough.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    good = True
    for found in validation.read_data(checked):
        where = f"silo {found.silo}, dataset {found.dataset}: "
        if found.problem is None:
            clients = "1 client" if found.clients == 1 else f"{found.clients} clients"
            typer.echo(f"{where}{found.examples} examples, {clients}")
        else:
            good = False
            show(found.problem, where)
    return good


@app.command(epilog="Example: fedjobs result runs/mine --json | jq -r .model.digest")
def result(
    context: typer.Context,
    directory: Folder,
    as_json: AsJson = False,
    plot: Annotated[
        bool | None, typer.Option(help="Draw the learning curves, as PNG.", show_default="yes, without --json")
    ] = None,
    debug: Debug = False,
) -> None:
    """Show the result of a run: metrics by round, the model's digest, and where the model is.

    Draws the learning curves into DIR/result/learning-curves.png.

    Of a run that is not complete it shows the metrics so far, and ends with
    exit code 1.
    """
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs import results

        found = results.read(directory)
        curves = _curves(found) if plot or (plot is None and not as_json) else None
        if as_json:
            _print_json(found.as_json())
        else:
            _print_result(found, curves)
        if not found.complete:
            typer.echo(_incomplete(found), err=True)
            raise typer.Exit(Exit.FAILED)


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
    from fedjobs.following import read_status

    status = read_status(found.directory / "coordinator")
    if status is None:
        return "the job has not begun"
    reason = f" ({status.code})" if status.code else ""
    message = f": {status.message}" if status.message else ""
    rounds = "1 round" if status.round == 1 else f"{status.round} rounds"
    return f"the job has no result: it is {status.phase.value}{reason} after {rounds}{message}"


@app.command(epilog="Example: fedjobs ps runs/mine")
def ps(
    context: typer.Context,
    directory: Folder,
    as_json: AsJson = False,
    everything: Annotated[bool, typer.Option("--all", help="Also those that crashed or were killed.")] = False,
    debug: Debug = False,
) -> None:
    """List the processes of a run: role, silo, process id, state."""
    with errors_shown(debug=debug or bool(context.obj)):
        from rich.console import Console

        from fedjobs import listing

        found = listing.processes(directory, everything=everything)
        if as_json:
            _print_json(listing.as_json(found))
        elif found:
            Console().print(listing.drawn(found))
        else:
            typer.echo(f"no process of {directory} is running")


@app.command(epilog="Example: fedjobs version --json")
def version(context: typer.Context, as_json: AsJson = False, debug: Debug = False) -> None:
    """Show the versions of fedjobs, of its protocol, and of what it runs on."""
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs.package_versions import versions

        found = versions()
        if as_json:
            _print_json(found)
        else:
            typer.echo("\n".join(f"{name} {value}" for name, value in found.items()))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))


def main() -> None:
    """The entry point of the command."""
    app()


if __name__ == "__main__":
    main()
