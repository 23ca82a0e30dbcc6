"""The command that starts, lists and deletes test clusters."""

from __future__ import annotations

from enum import StrEnum
from types import ModuleType
from typing import Annotated

import typer

from tests.cluster import binaries, kind, local, requirements
from tests.cluster.errors import ClusterError
from tests.cluster.kind import KindCluster
from tests.cluster.local import LocalCluster

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Name = Annotated[str, typer.Argument(help="The cluster's name.")]


class Provider(StrEnum):
    """What runs the parts of the cluster."""

    LOCAL = local.PROVIDER
    KIND = kind.PROVIDER


Of = Annotated[
    Provider,
    typer.Option(
        help="local: processes on this machine. kind: containers. local needs root, kind only without Docker."
    ),
]


OfAny = Annotated[Provider | None, typer.Option(help="local or kind. The default is the one that has the cluster.")]


@app.command()
def up(
    name: Name,
    index: Annotated[int | None, typer.Option(help="The networks of the cluster: 10.90.INDEX.0/24 and others.")] = None,
    provider: Of = Provider.LOCAL,
) -> None:
    """Start a cluster, or check that it runs, and print the path of its kubeconfig."""
    cluster = kind.up(name, _say) if provider is Provider.KIND else local.up(name, index, _say)
    typer.echo(cluster.kubeconfig)


@app.command()
def down(name: Name, provider: OfAny = None) -> None:
    """Stop a cluster and delete everything that belongs to it, also after a crash."""
    found = [each.down(name) for each in _of_any(provider) if provider or name in each.all_names()]
    if not any(found):
        _say(f"there is no cluster {name}")


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="The cluster's name. The default is all clusters.")] = None,
    provider: OfAny = None,
) -> None:
    """Print the problems of a cluster. The exit status is 1 if there are any."""
    found: list[tuple[str, list[str]]] = []
    for module in _of_any(provider):
        for each in [name] if name else module.all_names():
            cluster: LocalCluster | KindCluster | None = module.existing(each)
            if cluster is not None:
                found.append((f"{each} ({module.PROVIDER})", cluster.problems()))
    if name and not found:
        found = [(name, ["it does not exist"])]
    for each, problems in found:
        typer.echo(f"{each}: {'; '.join(problems) or 'well'}")
    raise typer.Exit(any(problems for _, problems in found))


@app.command()
def kubeconfig(name: Name, provider: OfAny = None) -> None:
    """Print the path of an administrator's kubeconfig."""
    paths = [path for each in _of_any(provider) if (path := each.kubeconfig_of(name)).exists()]
    if not paths:
        raise ClusterError(f"there is no cluster {name}")
    if len(paths) > 1:
        raise ClusterError(f"there are two clusters {name}: choose one with --provider")
    typer.echo(paths[0])


@app.command()
def build(provider: Of = Provider.LOCAL) -> None:
    """Build missing programs, and print the folders of the programs."""
    typer.echo(binaries.ensured(*binaries.CLUSTER, say=_say))
    for module in binaries.FOR_KIND if provider is Provider.KIND else ():
        typer.echo(binaries.ensured(module, say=_say))


@app.command()
def packages(provider: Of = Provider.LOCAL) -> None:
    """Print the Debian packages that a cluster needs."""
    of_kind = provider is Provider.KIND
    typer.echo(" ".join(requirements.packages_of_kind() if of_kind else requirements.packages()))


@app.command()
def check(provider: Of = Provider.LOCAL) -> None:
    """Print what this machine lacks for a cluster. The exit status is 1 if anything is missing."""
    of_local = requirements.missing_for_cluster(binaries.built(*binaries.CLUSTER))
    requirements.require(kind.lacks() if provider is Provider.KIND else of_local)


def _of(provider: Provider) -> ModuleType:
    return kind if provider is Provider.KIND else local


def _of_any(provider: Provider | None) -> list[ModuleType]:
    return [kind, local] if provider is None else [_of(provider)]


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
