"""The `fedjobs` command. Each subcommand imports its implementation when it runs, so that `--help` is fast."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedjobs import cluster_cli, explain_cli, result_cli, silo_cli
from fedjobs.cli_options import AsJson, Debug, JobFile, Plain, print_json
from fedjobs.exits import Exit, errors_shown, show

if TYPE_CHECKING:
    from fedjobs.runs import RunOutcome
    from fedjobs.validation import Checked

_EPILOG = "\n".join(["[bold]Exit codes[/bold]\n", *(f"{code:3}  {code.meaning}" for code in Exit)])

app = typer.Typer(
    name="fedjobs",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="The run's folder, as given to fedjobs run --out.", show_default=False)
]


@app.callback()
def _main(context: typer.Context, debug: Debug = False) -> None:
    """Run cross-silo federated jobs with TensorFlow Federated.

    Silos only open outgoing connections, and each silo's policy decides what runs on its data.

    A job file says what to compute. A silo file says where the silo's data are and what the silo allows.

    Run a job on this machine:

        [cyan]fedjobs validate job.yaml --silos silos.yaml[/cyan]
        [cyan]fedjobs run job.yaml --silos silos.yaml --out runs/mine[/cyan]
        [cyan]fedjobs result runs/mine[/cyan]

    Ctrl-C stops a run cleanly. Run the same command again to continue it.

    Run the same job on a Kubernetes cluster. --namespace, --context and --kubeconfig work as in kubectl:

        [cyan]fedjobs submit job.yaml --watch[/cyan]
        [cyan]fedjobs result NAME[/cyan]
    """
    context.obj = debug


@app.command(epilog="Example: fedjobs run job.yaml --silos silos.yaml --out runs/mine")
def run(
    context: typer.Context,
    job: JobFile,
    silos: Annotated[Path, typer.Option(help="The silo files, as one YAML file with a document for each silo.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The run's folder. An interrupted run in it continues.", show_default="runs/NAME"),
    ] = None,
    port: Annotated[
        int, typer.Option(help="The coordinator's port on 127.0.0.1; 0 chooses a free port.", min=0, max=65535)
    ] = 0,
    plain: Plain = False,
    debug: Debug = False,
) -> None:
    """Run a job on this machine, with one coordinator and one worker for each silo.

    On a terminal, a live table shows rounds and silos. Elsewhere, each event
    is one line. The workers connect to the coordinator over mutual TLS, with
    certificates that are issued for this run.

    Ctrl-C ends all processes of the run. Run the same command again to
    continue after the last completed round.
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
    """Prints how a run ended, and exits with the code for that."""
    from fedjobs_common.untrusted_text import printable

    message = printable(outcome.message)
    if outcome.exit_code == Exit.DONE:
        typer.echo(f"{message} Show it with: fedjobs result {shlex.quote(str(_shortest(outcome.directory)))}")
        return
    if outcome.exit_code == Exit.INTERRUPTED:
        typer.echo(message, err=True)
    else:
        typer.secho("error ", fg=typer.colors.RED, bold=True, err=True, nl=False)
        typer.echo(message, err=True)
        typer.echo(f"  The logs are in {_shortest(outcome.directory / 'logs')}.", err=True)
    raise typer.Exit(outcome.exit_code)


def _shortest(path: Path) -> Path:
    """Returns the path relative to the working directory, where that is possible."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@app.command(epilog="Example: fedjobs validate job.yaml --silos silos.yaml")
def validate(
    context: typer.Context,
    job: JobFile,
    silos: Annotated[
        Path | None, typer.Option(help="Also check the silo files, and that enough silos offer the job's dataset.")
    ] = None,
    data: Annotated[
        bool, typer.Option("--data", help="Also read the job's datasets and check them. Requires --silos.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Check a job file and, with --silos, the silo files. Does not run the job.

    An error names the field, its value and what to do.
    """
    if data and silos is None:
        raise typer.BadParameter("requires --silos, which says where the data are", param_hint="--data")
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
    """Prints the size of each dataset, or its error. Returns whether there was no error."""
    import logging

    import structlog

    from fedjobs import validation

    # A silo's log also names the invalid value. Here, the printed error is enough.
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


app.command("explain", epilog=explain_cli.EPILOG)(explain_cli.explain)
app.command("result", epilog=result_cli.EPILOG)(result_cli.result)


@app.command(epilog="Example: fedjobs ps runs/mine")
def ps(
    context: typer.Context,
    directory: Folder,
    as_json: AsJson = False,
    everything: Annotated[bool, typer.Option("--all", help="Include processes that crashed or were killed.")] = False,
    debug: Debug = False,
) -> None:
    """List the processes of a run, with role, silo, process ID and state."""
    with errors_shown(debug=debug or bool(context.obj)):
        from rich.console import Console

        from fedjobs import process_list

        found = process_list.processes(directory, everything=everything)
        if as_json:
            print_json(process_list.as_json(found))
        elif found:
            Console().print(process_list.drawn(found))
        else:
            typer.echo(f"No processes of {directory} are running.")


@app.command(epilog="Example: fedjobs version --json")
def version(context: typer.Context, as_json: AsJson = False, debug: Debug = False) -> None:
    """Show the versions of fedjobs, its protocol, Python and the main dependencies."""
    with errors_shown(debug=debug or bool(context.obj)):
        from fedjobs.package_versions import versions

        found = versions()
        if as_json:
            print_json(found)
        else:
            typer.echo("\n".join(f"{name} {value}" for name, value in found.items()))


app.add_typer(cluster_cli.app)
app.add_typer(silo_cli.app, name="silo")


_DATA = "fedjobs_worker.data.datasets"


def main() -> None:
    """Runs the command, as `fedjobs` or as the kubectl plugin `kubectl-fedjobs`."""
    loaded = _DATA in sys.modules  # by the process that calls this function, which must not end then
    try:
        app(prog_name="kubectl fedjobs" if Path(sys.argv[0]).name == "kubectl-fedjobs" else None)
    except SystemExit as ended:
        if not loaded and _DATA in sys.modules and (ended.code is None or isinstance(ended.code, int)):
            # Threads of pyarrow that are still starting abort the process at a normal exit.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ended.code or 0)
        raise


if __name__ == "__main__":
    main()
