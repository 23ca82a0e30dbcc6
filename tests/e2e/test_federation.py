"""Three clusters: the federation's, and those of two silos that block inbound connections; one needs a proxy."""

from __future__ import annotations

import datetime
import json
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.clusters import Cluster
from tests.cluster.firewalls import Counted
from tests.cluster.links import FRONT_DOOR_PORT
from tests.cluster.reaching import reaches
from tests.cluster.readiness import wait_until
from tests.e2e import outside as outsides
from tests.e2e.federations import Federation, a_job, a_training
from tests.e2e.installations import OPERATOR_NAMESPACE
from tests.e2e.outside import BOTH, NORTH, Outside

API_SERVER = 6443
AGENT_MEMORY = 100_000  # kB, the upper limit; the unit is that of `kubectl top`
IDLE_BYTES_PER_HOUR = 1_000_000
SET_BY_THE_MACHINE = {"image"}  # a silo that pulls images from a registry does not need these values
RESIDENT = "print(*[line.split()[1] for line in open('/proc/1/status') if line.startswith('VmRSS')])"


@pytest.fixture(scope="module")
def outside(federation: Federation, further_clusters: Future[list[Cluster]] | None) -> Outside:
    """Two clusters with one silo each. The silos are invited and connected."""
    assert further_clusters is not None
    found = outsides.linked(further_clusters.result(), federation.cluster)
    outsides.settle(federation, found)
    return found


@dataclass(frozen=True)
class Digits:
    """The digits job that both silos have completed: its uid, its status, and the firewalls' counters after it."""

    uid: str
    status: dict[str, Any]
    counted: tuple[Counted, ...]


@pytest.fixture(scope="module")
def digits(federation: Federation, outside: Outside) -> Digits:
    """Installs both silos and runs the job with them."""
    name = federation.apply(a_training("across-clusters", silos=BOTH))
    status = federation.complete(name)
    print(federation.cluster.kubectl("get", "silos"))  # noqa: T201 (shown with -s)
    counted = tuple(link.counted() for link in outside.both)
    return Digits(federation.job(name)["metadata"]["uid"], status, counted)


@pytest.mark.parametrize("silo", BOTH)
def test_a_silo_that_was_installed_with_the_command_of_its_invitation_is_listed(
    federation: Federation, outside: Outside, silo: str
) -> None:
    federation.wait_for_silo(silo, "Enrolled")
    status = federation.silo_status(silo)
    assert set(status["datasets"]) == {"digits", "digits-test"}
    assert status["versions"]["fedjobs"]
    shown = federation.cluster.kubectl("get", "silo", silo)
    assert "True" in shown
    invitation = ("get", "secret", f"fedjobs-invitation-{silo}", f"--namespace={OPERATOR_NAMESPACE}")
    assert not federation.cluster.kubectl(*invitation, "--ignore-not-found"), (
        "the token was used, so its Secret must be deleted"
    )


@pytest.mark.parametrize("silo", BOTH)
def test_helm_test_succeeds(federation: Federation, outside: Outside, silo: str) -> None:
    federation.sites[silo].helm_test()


def test_the_digits_job_completes_across_clusters(digits: Digits) -> None:
    assert digits.status["completedRounds"] == digits.status["totalRounds"] == 20
    assert [row["name"] for row in digits.status["silos"]] == list(BOTH)
    assert digits.status["restarts"] == 0


def test_the_firewalls_saw_no_inbound_connection(digits: Digits) -> None:
    for silo, counted in zip(BOTH, digits.counted, strict=True):
        print(silo, counted)  # noqa: T201
        assert counted.answers > 0
        assert counted.let_in == 0
        assert counted.turned_away == 0, "the federation tried to open a connection"
        assert counted.held_back == 0, "the silo tried to reach another address"


@pytest.mark.usefixtures("digits")
def test_all_traffic_of_a_silo_behind_a_proxy_uses_the_proxy(federation: Federation, outside: Outside) -> None:
    assert outside.south.proxy
    asked_for = {place.split(" ")[0] for place in outside.south.proxy.asked_for()}
    assert asked_for == {f"{outside.south.address}:{FRONT_DOOR_PORT}"}


@pytest.mark.usefixtures("digits")
def test_the_firewalls_count_what_they_block(federation: Federation, outside: Outside) -> None:
    """Shows that the zeros of the tests above mean something."""
    link = outside.north
    before = link.counted()
    assert not reaches(federation.cluster.inside, link.silo.address, API_SERVER, patience=1)
    assert link.counted().turned_away > before.turned_away
    assert link.counted().let_in == 0


def test_a_silos_audit_log_shows_the_computations_and_what_was_sent(federation: Federation, digits: Digits) -> None:
    site = federation.sites[NORTH]
    about = {entry["subject"] for entry in site.audit() if entry["job"] == digits.uid}
    assert "invitation" in about
    assert len(about) > 1, "the log must contain the computations and what was sent"
    assert "entries, each with the hash" in site.fedjobs("audit", "--verify")


@pytest.mark.usefixtures("digits")
def test_a_silo_needs_few_values_and_little_memory_and_traffic(federation: Federation, outside: Outside) -> None:
    """At most five values, less than 100 MB for the agent, and almost no traffic while no job runs."""
    for silo, link, idle in zip(BOTH, outside.both, idle_bytes_per_hour(federation, outside), strict=True):
        values = set(outsides.values(silo, link, "hospital-a")) - SET_BY_THE_MACHINE - silo_file_fields()
        resident = int(federation.sites[silo].in_agent(RESIDENT))
        print(  # noqa: T201
            f"{silo}: the silo's file and {len(values) + 1} values ({', '.join(sorted(values))}, token), "
            f"{resident} kB resident, {idle} bytes an hour"
        )
        assert len(values) + 1 <= 5
        assert resident < AGENT_MEMORY
        assert idle < IDLE_BYTES_PER_HOUR


def test_the_time_from_an_invitation_to_the_quorum(federation: Federation, outside: Outside) -> None:
    name = federation.apply(a_job("how-soon", rounds=2, silos=BOTH))
    federation.complete(name)
    ready, quorum = (event_time(federation, name, reason) for reason in ("Listening", "QuorumReached"))
    print(f"time from the coordinator's start to the quorum: {(quorum - ready).total_seconds():.0f} s")  # noqa: T201
    assert quorum >= ready


def silo_file_fields() -> set[str]:
    """Returns the values that belong to the silo's own file, which is the same without Kubernetes."""
    return {"silo", "datasets", "policy", "runner"}


def idle_bytes_per_hour(federation: Federation, outside: Outside) -> list[int]:
    """Returns each firewall's bytes per hour while its silo is idle, measured while two other silos run a job."""
    wait_until("both silos are idle", lambda: not any(federation.sites[silo].running_workers() for silo in BOTH))
    before, began = [link.firewall.bytes_seen() for link in outside.both], time.monotonic()
    federation.complete(federation.apply(a_job("meanwhile", rounds=100)))
    hours = (time.monotonic() - began) / 3600
    return [round((link.firewall.bytes_seen() - was) / hours) for was, link in zip(before, outside.both, strict=True)]


def event_time(federation: Federation, name: str, reason: str) -> datetime.datetime:
    """Returns the time of an event of a job."""
    which = f"involvedObject.name={name},reason={reason}"
    told = json.loads(federation.kubectl("get", "events", "--field-selector", which, "-o", "json"))["items"]
    return min(datetime.datetime.fromisoformat(each["firstTimestamp"]) for each in told)
