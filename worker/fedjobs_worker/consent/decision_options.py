"""Options of a worker's command line about its decisions: where they are recorded, and where people have their say."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedjobs_protocol.hub.invitations import Invitation

from fedjobs_worker.consent.approvals import ApprovalFolder
from fedjobs_worker.consent.audits import Audit
from fedjobs_worker.consent.consents import Consents
from fedjobs_worker.consent.pending import PendingFolder
from fedjobs_worker.consent.usages import Ledger
from fedjobs_worker.silo_files import SiloFile


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--audit", type=Path, required=True, metavar="FILE", help="the silo's record of its decisions")
    parser.add_argument("--tell-audit", action="store_true", help="also print it, for who collects it from the log")
    parser.add_argument(
        "--used", type=Path, metavar="FILE", help="what other audit logs of the silo say that jobs have taken, JSON"
    )
    parser.add_argument("--approvals", type=Path, metavar="DIR", help="what people of the silo said to computations")
    parser.add_argument("--pending", type=Path, metavar="DIR", help="where to put computations that wait for people")


def made(options: argparse.Namespace, silo: SiloFile, invitation: Invitation) -> tuple[Audit, Ledger, Consents]:
    """What the options ask for."""
    audit = Audit(options.audit, silo.silo, invitation.job_uid, tell=options.tell_audit)
    ledger = Ledger(options.audit, options.used)
    consents = Consents(silo, invitation, audit, ApprovalFolder(options.approvals), PendingFolder(options.pending))
    return audit, ledger, consents
