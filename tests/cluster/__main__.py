"""The command that starts, lists and deletes test clusters."""

from __future__ import annotations

from typing import Annotated

import typer

from tests.cluster import binaries, kind, requirements
from tests.cluster.errors import ClusterError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Name = Annotated[str, typer.Argument(help="The cluster's name.")]


@app.command()
def up(name: Name) -> None:
    """Start a cluster, or check that it runs, and print the path of its kubeconfig."""
    typer.echo(kind.up(name, _say).kubeconfig)


@app.command()
def down(name: Name) -> None:
    """Stop a cluster and delete everything that belongs to it, also after a crash."""
    if not kind.down(name):
        _say(f"there is no cluster {name}")


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="The cluster's name. The default is all clusters.")] = None,
) -> None:
    """Print the problems of a cluster. The exit status is 1 if there are any."""
    ill = False
    for each in [name] if name else kind.all_names():
        cluster = kind.existing(each)
        problems = ["it does not exist"] if cluster is None else cluster.problems()
        typer.echo(f"{each}: {'; '.join(problems) or 'well'}")
        ill = ill or bool(problems)
    raise typer.Exit(ill)


@app.command()
def kubeconfig(name: Name) -> None:
    """Print the path of an administrator's kubeconfig."""
    path = kind.kubeconfig_of(name)
    if not path.exists():
        raise ClusterError(f"there is no cluster {name}: start it with `python -m tests.cluster up {name}`")
    typer.echo(path)


@app.command()
def build() -> None:
    """Build missing programs, and print the folders of the programs."""
    typer.echo(binaries.ensured(*binaries.CLUSTER, say=_say))
    for module in binaries.FOR_KIND:
        typer.echo(binaries.ensured(module, say=_say))


@app.command()
def packages() -> None:
    """Print the Debian packages that a cluster needs where no Docker daemon responds."""
    typer.echo(" ".join(requirements.packages()))


@app.command()
def check() -> None:
    """Print what this machine lacks for a cluster. The exit status is 1 if anything is missing."""
    requirements.require(kind.lacks())


def _say(text: str) -> None:
    typer.echo(text, err=True)


def main() -> None:
    """Runs the command. Prints a ClusterError as one line without a stack trace."""
    try:
        app()
    except ClusterError as problem:
        typer.echo(f"error: {problem}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
