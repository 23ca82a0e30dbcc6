"""`fedjobs silo audit`: shows a silo's audit log, or verifies it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedjobs.cli_options import AsJson, Context, Debug, Kubeconfig
from fedjobs.exits import Exit, errors_shown
from fedjobs.silos.consent_commands import OwnNamespace

if TYPE_CHECKING:
    from fedjobs.cluster.connections import Connection

_PANEL = "For a silo"
_AGENTS = "app.kubernetes.io/component=agent"
_COPY = "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer)"
_HEAD = ("time", "silo", "job", "subject", "decision", "sequence", "previous", "origin", "workerSequence")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(rich_help_panel=_PANEL, epilog="Example: fedjobs silo audit --verify")(audit)


def audit(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Path of the log.", show_default="the log in the silo's cluster"),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check that no entry was changed or removed.")] = False,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="HASH:NUMBER",
            help="With --verify: the anchor that an earlier check printed, or the one in the Silo's status.",
        ),
    ] = None,
    job: Annotated[str | None, typer.Option(metavar="UID", help="Show only the entries of this job.")] = None,
    as_json: AsJson = False,
    namespace: OwnNamespace = None,
    cluster_context: Context = None,
    kubeconfig: Kubeconfig = None,
    debug: Debug = False,
) -> None:
    """Show a silo's audit log, or verify it.

    With --verify, the exit code is 1 if the log was altered.
    """
    with errors_shown(debug=debug or bool(context.obj)):
        if file is not None:
            from fedjobs_worker.consent.audit_chains import raw_lines

            lines = raw_lines(file)
        else:
            from fedjobs.cluster.connections import Target, connect

            lines = _collected(connect(Target(kubeconfig, cluster_context, namespace)))
        if verify:
            _verify(lines, anchor)
        else:
            for line in lines:
                _show(line, job, as_json)


def _verify(lines: Iterator[bytes], anchor: str | None) -> None:
    from fedjobs_worker.consent import audit_chains

    try:
        known = None if anchor is None else audit_chains.anchor(anchor)
    except ValueError as error:
        raise typer.BadParameter(
            f"{_shown(anchor)} is not an anchor. Give the one that --verify printed: 64 hex digits, a colon, a number.",
            param_hint="--anchor",
        ) from error
    found = audit_chains.verify(lines, known)
    if isinstance(found, audit_chains.Broken):
        typer.echo(f"The log was altered at line {found.line}: {found.message}", err=True)
        raise typer.Exit(Exit.FAILED)
    extends = "" if known is None else f", and the first {known.entries} are those of the anchor"
    typer.echo(f"{found.anchor.entries} entries, each with the hash of the previous entry{extends}.")
    typer.echo(f"Anchor: {found.anchor}")
    typer.echo("Keep it in another place. Later, audit --verify --anchor ANCHOR finds removed and rewritten entries.")


def _shown(value: object) -> str:
    from fedjobs_common.untrusted_text import printable

    return printable(str(value))


def _show(line: bytes, job: str | None, as_json: bool) -> None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        typer.echo("unreadable line", err=True)
    elif job is None or entry.get("job") == job:
        typer.echo(json.dumps(entry) if as_json else _sentence(entry))


def _sentence(entry: dict[str, Any]) -> str:
    head = [_shown(entry.get(name) or "") for name in ("job", "subject", "decision")]
    details = [
        f"{_shown(name)}={_plain(value)}" for name, value in entry.items() if name not in _HEAD and value is not None
    ]
    return "  ".join([_time(entry.get("time")), *head, *details])


def _time(value: object) -> str:
    from fedjobs_worker.consent.audit_entries import LATEST

    if not isinstance(value, int | float) or not 0 <= value < LATEST - 24 * 3600:
        return f"time {_shown(value)}"
    return datetime.datetime.fromtimestamp(value).astimezone().isoformat(" ", "seconds")


def _plain(value: object) -> str:
    """Formats a value on one line. Others choose some of the values, so unprintable characters are escaped."""
    text = value if isinstance(value, str) and value.isprintable() else json.dumps(value)
    return text if " " not in text or text.startswith(('"', "[")) else json.dumps(text)


def _collected(connection: Connection) -> Iterator[bytes]:
    """Yields the lines of the log that the agent collected."""
    from fedjobs_agent.workers.collected_audit import FILE
    from fedjobs_common.errors import ErrorCode, FedjobsError

    from fedjobs.cluster import remote_commands
    from fedjobs.cluster.api_errors import explained
    from fedjobs.cluster.connections import TIMEOUT_S

    with explained(f"Cannot find the agent in namespace {connection.namespace}"):
        pods = connection.core.list_namespaced_pod(
            connection.namespace,
            label_selector=_AGENTS,
            field_selector="status.phase=Running",
            _request_timeout=TIMEOUT_S,
        ).items
    if not pods:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            f"No agent runs in namespace {connection.namespace}.",
            "Choose the silo's namespace with --namespace, or give the path of a log.",
        )
    rest = b""
    command = ["python", "-c", _COPY, str(FILE)]
    for piece in remote_commands.output(connection, connection.namespace, pods[0].metadata.name, "agent", command):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest
