"""`fedjobs explain`. The command imports its implementation when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedjobs.cli_options import Debug
from fedjobs.exits import errors_shown

EPILOG = "Example: fedjobs explain job.yaml --silos silos.yaml"


def explain(
    context: typer.Context,
    what: Annotated[
        Path, typer.Argument(metavar="JOB|SHARD", help="A job's YAML file, or a serialized shard.", show_default=False)
    ],
    silos: Annotated[Path | None, typer.Option(help="Also show what the policies of these silo files decide.")] = None,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write each shard to DIR/DIGEST.shard.")] = None,
    whole_graph: Annotated[bool, typer.Option("--whole-graph", help="Print all lines of the graphs.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg",
            help="Also draw which inputs reach which output. With several shards, their digests are added to the name.",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Show what a job asks silos to run: inputs, datasets, graphs and outputs.

    Sends nothing and reads no data. A silo approves a computation by the digest
    that is shown. The digest does not depend on where the job is planned.
    """
    with errors_shown(debug=debug or bool(context.obj)):
        import os

        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import logging

        import structlog

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        from fedjobs_common.errors import ErrorCode, FedjobsError

        from fedjobs import job_explanation

        files = job_explanation.silos_of(silos)
        failure = None
        if of_job := job_explanation.is_job(what):
            job = job_explanation.job_of(what, files)
            for text in job_explanation.invited(job, files):
                typer.echo(text, nl=False)
            shards, failure = job_explanation.shards_of(job)
        else:
            shards = [job_explanation.shard_of(what)]
        if picture is not None and picture.suffix != ".svg":
            raise FedjobsError(
                ErrorCode.INVALID_JOB, f"{picture} does not end in .svg.", "Give a file name that ends in .svg."
            )
        for shard in shards:
            for text in job_explanation.explained(shard, files, halves=not of_job, whole_graph=whole_graph):
                typer.echo(text, nl=False)
            if save is not None:
                save.mkdir(parents=True, exist_ok=True)
                (save / f"{shard.digest}.shard").write_bytes(shard.serialized)
            if picture is not None:
                alone = len(shards) == 1
                file = picture if alone else picture.with_name(f"{picture.stem}-{shard.digest[:12]}.svg")
                file.write_text(job_explanation.drawn(shard))
        if not shards:
            typer.echo("The job asks silos to run nothing.")
        if failure is not None:
            typer.echo(f"The rest of the job depends on results of the silos: {failure.message}", err=True)
