"""The command that makes, shows and ends test clusters."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tests.cluster import binaries, kind, local, requirements
from tests.cluster.binaries import Module
from tests.cluster.errors import ClusterError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Name = Annotated[str, typer.Argument(help="The cluster's name.")]


class Provider(StrEnum):
    """Who runs the cluster's parts."""

    LOCAL = local.PROVIDER
    KIND = kind.PROVIDER


Of = Annotated[Provider, typer.Option(help="Real parts on this machine (needs root), or kind (needs Docker).")]


@app.command()
def up(
    name: Name,
    index: Annotated[int | None, typer.Option(help="Which networks it has: 10.90.INDEX.0/24 and others.")] = None,
    provider: Of = Provider.LOCAL,
) -> None:
    """Start a cluster, or see that it is well; prints its kubeconfig's path."""
    cluster = kind.up(name, _say) if provider is Provider.KIND else local.up(name, index, _say)
    typer.echo(cluster.kubeconfig)


@app.command()
def down(name: Name, provider: Of = Provider.LOCAL) -> None:
    """End a cluster and everything that was started for it, also after a crash."""
    if provider is Provider.KIND:
        kind.down(name)
    elif not local.down(name):
        _say(f"there is no cluster {name}")


@app.command()
def status(name: Annotated[str | None, typer.Argument(help="The cluster's name; all, if left out.")] = None) -> None:
    """Say what is wrong with a cluster; the exit status is 1 if anything is."""
    ill = False
    for each in [name] if name else local.all_names():
        cluster = local.existing(each)
        problems = ["it is not there"] if cluster is None else cluster.problems()
        ill = ill or bool(problems)
        typer.echo(f"{each}: {'; '.join(problems) or 'well'}")
    raise typer.Exit(ill)


@app.command()
def kubeconfig(name: Name, provider: Of = Provider.LOCAL) -> None:
    """Print the path of an administrator's kubeconfig."""
    path = (kind if provider is Provider.KIND else local).kubeconfig_of(name)
    if not path.exists():
        raise ClusterError(f"there is no cluster {name}")
    typer.echo(path)


@app.command()
def build() -> None:
    """Build the parts, if they are not there yet; prints the folder they are in."""
    typer.echo(binaries.ensured(*Module, say=_say))


@app.command()
def packages() -> None:
    """Print the Debian packages that a cluster needs."""
    typer.echo(" ".join(requirements.packages()))


@app.command()
def check() -> None:
    """Say what this machine lacks for a cluster; the exit status is 1 if anything is missing."""
    requirements.require(requirements.missing_for_cluster(binaries.built(*Module)))


def _say(text: str) -> None:
    typer.echo(text, err=True)


def main() -> None:
    """Run the command; a person's problem is a sentence, not a stack trace."""
    try:
        app()
    except ClusterError as problem:
        typer.echo(f"error: {problem}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
