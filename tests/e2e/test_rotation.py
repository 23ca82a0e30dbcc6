"""A job loses no round while certificates with a lifetime of one minute expire and the authority is replaced.

The test runs late, because it removes the authority with which the other silos enrolled. On a cluster that is kept,
the next run enrols all silos again.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator

import pytest

from tests.cluster.readiness import wait_until
from tests.e2e import installations
from tests.e2e.commands import PATIENCE
from tests.e2e.federations import SILOS, Federation, a_job
from tests.e2e.guests import guests
from tests.e2e.installations import AUTHORITY_NAMESPACE, OPERATOR_NAMESPACE

PAIR = ("renews-a", "renews-b")
WHERE, KEYS = f"--namespace={OPERATOR_NAMESPACE}", f"--namespace={AUTHORITY_NAMESPACE}"
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END", re.DOTALL)


@pytest.fixture
def short_lifetimes(federation: Federation) -> Iterator[None]:
    """Two silos whose certificates have a lifetime of one minute."""
    installations.note_new_authority(federation.cluster)
    installations.set_lifetimes(
        federation.cluster,
        certificateSeconds=60,
        workerCertificateSeconds=60,
        gracePeriodSeconds=30,
        tokenSeconds=604800,
    )
    with guests(federation, dict(zip(PAIR, SILOS, strict=False))):
        yield


@pytest.mark.usefixtures("short_lifetimes")
def test_certificates_and_the_authority_are_replaced_while_a_job_runs(federation: Federation) -> None:
    name = federation.apply(a_job("renewed", silos=PAIR))
    federation.wait_for_round(name, 3)
    first, before = expiries(federation), trusted(federation)

    wish = f"fedjobs.dev/rotate={datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}"
    federation.cluster.kubectl("annotate", "secret", "fedjobs-authority", wish, "--overwrite", KEYS)

    wait_until("the federation trusts the new issuers, too", lambda: trusted(federation) > before, seconds=PATIENCE)
    wait_until(
        "the federation no longer trusts the old issuers", lambda: not trusted(federation) & before, seconds=PATIENCE
    )
    federation.wait_for_round(name, federation.status(name)["completedRounds"] + 20)

    assert not set(expiries(federation)) & set(first)
    done = federation.progress(name)
    assert done == list(range(1, len(done) + 1))
    status = federation.status(name)
    assert (status["restarts"], status["attempt"]) == (0, 1)
    print(f"{len(done)} rounds; certificates until {expiries(federation)}")  # noqa: T201 (shown with -s)
    federation.delete(name)


def expiries(federation: Federation) -> list[str]:
    return [str(federation.silo_status(silo)["certificateExpirationTime"]) for silo in PAIR]


def trusted(federation: Federation) -> set[str]:
    """Returns the certificates of all trusted issuers."""
    found = json.loads(federation.cluster.kubectl("get", "configmap", "fedjobs-trust", WHERE, "-o", "json"))
    return {each for bundle in found["data"].values() for each in CERTIFICATE.findall(bundle)}
