"""Options that several commands share, and the function that prints JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

ON_A_CLUSTER = "On a cluster"
"""The title of a panel in the help."""

Debug = Annotated[bool, typer.Option("--debug", help="Show stack traces, and write more detailed logs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The job's YAML file.", show_default=False)]
JobName = Annotated[str, typer.Argument(metavar="NAME", help="The job's name.", show_default=False)]
Plain = Annotated[bool, typer.Option("--plain", help="Print plain lines, even on a terminal.")]

Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="The job's namespace.", show_default="the context's")
]
Context = Annotated[
    str | None,
    typer.Option("--context", help="The kubeconfig context to use.", show_default="the current one"),
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Path of the kubeconfig file.", show_default="$KUBECONFIG, else ~/.kube/config"),
]


def print_json(value: Any) -> None:
    """Prints a value as JSON, indented."""
    typer.echo(json.dumps(value, indent=2))
