"""Connects a worker to its coordinator, with a certificate from a folder or from the hub."""

from __future__ import annotations

import argparse
import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from fedjobs_protocol.hub.hub_links import HubLink
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.identities.channels import open_channel
from fedjobs_protocol.identities.identities import Identity
from fedjobs_protocol.identities.renewals import Renewing
from fedjobs_protocol.sessions.session_client import SessionClient

from fedjobs_worker.sessions.hub_identities import WorkerIdentity
from fedjobs_worker.sessions.renewed_sessions import RenewedSessionClient

_OF_HUB = ("--hub-name", "--hub-token", "--hub-trust")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the command line options for the connection."""
    identity = parser.add_mutually_exclusive_group(required=True)
    identity.add_argument("--tls", type=Path, metavar="DIR", help="folder with tls.crt, tls.key and ca.crt")
    identity.add_argument(
        "--hub", metavar="HOST:PORT", help=f"get a certificate from this hub; requires {', '.join(_OF_HUB)}"
    )
    parser.add_argument("--hub-name", metavar="NAME", help="the host name of the front door")
    parser.add_argument("--hub-token", type=Path, metavar="FILE", help="file with the one-time token for this job")
    parser.add_argument("--hub-trust", type=Path, metavar="FILE", help="file with the issuers of the hub's certificate")
    parser.add_argument("--dial", metavar="HOST:PORT", help="connect to this address instead of the invitation's")


def check_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Ends the process with a usage message if options for the hub are missing."""
    missing = [name for name in _OF_HUB if getattr(options, name.removeprefix("--").replace("-", "_")) is None]
    if options.hub and missing:
        parser.error(f"--hub requires {', '.join(missing)}")


@contextlib.contextmanager
def connected(options: argparse.Namespace, invitation: Invitation) -> Iterator[SessionClient]:
    """Yields a client for the coordinator of an invitation.

    Raises:
        FedjobsError: There is no certificate, and the hub issues none.
    """
    connect = functools.partial(open_channel, options.dial or invitation.address, invitation.server_name)
    if options.tls:
        with connect(Identity.load(options.tls)) as channel:
            yield SessionClient(channel)
        return
    link = HubLink(options.hub, options.hub_name)
    identity = WorkerIdentity(link, options.hub_token, options.hub_trust, options.state)
    renewing = Renewing(identity.obtain, identity.renew)
    renewing.start()
    client = RenewedSessionClient(renewing, connect)
    try:
        renewing.first()
        yield client
    finally:
        client.close()
        renewing.close()
