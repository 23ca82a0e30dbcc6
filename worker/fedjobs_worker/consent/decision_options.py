"""The worker's command line options for the audit log and for approvals."""

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
    """Adds the options."""
    parser.add_argument("--audit", type=Path, required=True, metavar="FILE", help="the silo's audit log")
    parser.add_argument(
        "--used", type=Path, metavar="FILE", help="JSON file with the usage that the silo's other audit logs record"
    )
    parser.add_argument("--approvals", type=Path, metavar="DIR", help="folder with decisions about computations")
    parser.add_argument("--pending", type=Path, metavar="DIR", help="folder for computations that wait for approval")


def made(options: argparse.Namespace, silo: SiloFile, invitation: Invitation) -> tuple[Audit, Ledger, Consents]:
    """Creates the objects that the options describe."""
    ledger = Ledger(options.audit, options.used)
    audit = Audit(options.audit, silo.silo, invitation.job_uid, ledger.now)
    consents = Consents(silo, invitation, audit, ApprovalFolder(options.approvals), PendingFolder(options.pending))
    return audit, ledger, consents
