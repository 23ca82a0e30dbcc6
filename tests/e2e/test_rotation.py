"""Certificates that live for a minute, and another authority, while a job runs: no round is lost.

It comes late: afterwards the authority is another one, and what was enrolled before is enrolled anew.
"""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Iterator

import pytest

from tests.cluster.readiness import wait_until
from tests.e2e import commands, installations
from tests.e2e.commands import PATIENCE
from tests.e2e.federations import SILOS, Federation, a_job
from tests.e2e.guests import guests
from tests.e2e.installations import INSIDE, OPERATOR_NAMESPACE
from tests.e2e.sites import example_records, example_values

PAIR = ("renews-a", "renews-b")
WHERE = f"--namespace={OPERATOR_NAMESPACE}"
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END", re.DOTALL)


@pytest.fixture
def short_lives(federation: Federation) -> Iterator[None]:
    """Two silos whose certificates live for a minute; on a cluster that is kept all others get new ones later."""
    kept = bool(os.environ.get("E2E_KEEP"))
    seconds = {"certificate": 60, "worker": 60, "grace": 30, "token": 604800}
    try:
        with (
            installations.lifetimes(federation.cluster, restored=kept, **seconds),
            guests(federation, dict(zip(PAIR, SILOS, strict=False))),
        ):
            yield
    finally:
        if kept:
            enrol_anew(federation)


def enrol_anew(federation: Federation) -> None:
    for silo in federation.sites.keys() - set(SILOS):  # in clusters that were kept: the next run invites them anew
        commands.fedjobs(federation.cluster, "silo", "remove", silo, "--yes")
    values = {silo: example_values(silo, dialAddress=INSIDE) for silo in SILOS}
    federation.settle_all(((federation.sites[s], values[s], example_records(s)) for s in SILOS), anew=True)


@pytest.mark.usefixtures("short_lives")
def test_certificates_and_the_authority_are_replaced_while_a_job_runs(federation: Federation) -> None:
    name = federation.apply(a_job("renewed", silos=PAIR))
    federation.wait_for_round(name, 3)
    first, before = expiries(federation), trusted(federation)

    wish = f"fedjobs.dev/rotate={datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}"
    federation.cluster.kubectl("annotate", "secret", "fedjobs-authority", wish, "--overwrite", WHERE)

    wait_until("the new issuers are trusted too", lambda: trusted(federation) > before, seconds=PATIENCE)
    wait_until("the old issuers are not", lambda: not trusted(federation) & before, seconds=PATIENCE)
    federation.wait_for_round(name, federation.status(name)["round"] + 20)

    assert not set(expiries(federation)) & set(first)
    done = federation.progress(name)
    assert done == list(range(1, len(done) + 1))
    status = federation.status(name)
    assert (status["restarts"], status["attempt"]) == (0, 1)
    print(f"{len(done)} rounds; certificates until {expiries(federation)}")  # noqa: T201 (shown with -s)
    federation.delete(name)


def expiries(federation: Federation) -> list[str]:
    return [str(federation.silo_status(silo)["certificateExpires"]) for silo in PAIR]


def trusted(federation: Federation) -> set[str]:
    """The certificates of all issuers that count."""
    found = json.loads(federation.cluster.kubectl("get", "configmap", "fedjobs-trust", WHERE, "-o", "json"))
    return {each for bundle in found["data"].values() for each in CERTIFICATE.findall(bundle)}
