"""The hub, the front door and silos go away or are replaced while a job runs. A suspended silo is out at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import derived_images, images
from tests.cluster.images import Target
from tests.cluster.readiness import wait_until
from tests.e2e import commands, installations
from tests.e2e.commands import PATIENCE
from tests.e2e.federations import FEW, OTHERS, Federation, a_job, finished_rounds
from tests.e2e.guests import guest
from tests.e2e.installations import HUB, OPERATOR_NAMESPACE
from tests.e2e.sites import RELEASE, ROOT, Site

ROUNDS = 600  # enough for the job to last until the hub is away
MORE = 20  # this many further rounds show that a job continues
OLD = "protocol-1"
PACKAGE = "opt/fedjobs/lib/python3.11/site-packages/fedjobs_protocol"
AGENTS = "--selector=app.kubernetes.io/component=agent"


@pytest.fixture(scope="module")
def job(federation: Federation) -> Iterator[str]:
    """A job that needs both silos, and runs during several tests."""
    name = federation.apply(a_job("undisturbed-by-all-that"))
    federation.wait_for_round(name, 3)
    yield name
    federation.delete(name)


def assert_it_continues(federation: Federation, job: str) -> None:
    """Asserts that the same process finishes further rounds, each of them once."""
    federation.wait_for_rounds(job, MORE)
    done = federation.progress(job)
    assert done == list(range(1, len(done) + 1))
    status = federation.status(job)
    assert (status["restarts"], status["attempt"]) == (0, 1)


def test_the_hub_may_be_away_while_a_job_runs(federation: Federation, tmp_path: Path) -> None:
    name = federation.apply(a_job("without-hub", rounds=ROUNDS))
    federation.wait_for_round(name, 3)
    installations.scale(federation.cluster, HUB, 0)
    try:
        assert not federation.status(name).get("result"), (
            "the job was complete before the hub was away: increase ROUNDS"
        )
        federation.complete(name)
    finally:
        installations.scale(federation.cluster, HUB, 2)
    federation.fetch(name, tmp_path)
    assert finished_rounds(tmp_path) == list(range(1, ROUNDS + 1))
    for silo in FEW:
        federation.wait_for_silo(silo, "Connected")


def test_the_front_door_may_be_replaced_while_a_job_runs(federation: Federation, job: str) -> None:
    pods = ("pods", "--selector=app.kubernetes.io/component=front-door", f"--namespace={OPERATOR_NAMESPACE}")
    federation.cluster.kubectl("delete", *pods, "--now")
    assert_it_continues(federation, job)


def test_routes_of_other_jobs_come_and_go_without_closing_a_connection(federation: Federation, job: str) -> None:
    before = [row.get("restarts", 0) for row in federation.status(job)["silos"]]
    federation.complete(federation.apply(a_job("comes-and-goes", rounds=2, silos=OTHERS)))
    assert_it_continues(federation, job)
    assert [row.get("restarts", 0) for row in federation.status(job)["silos"]] == before


def test_a_suspended_silo_is_excluded_immediately_and_may_come_back(federation: Federation) -> None:
    silo = OTHERS[0]
    job = a_job("drops-a-silo", silos=OTHERS)
    job["spec"]["cohort"] |= {"minSilos": 1, "goalSilos": 1}
    name = federation.apply(job)
    federation.wait_for_round(name, 3)

    commands.fedjobs(federation.cluster, "silo", "suspend", silo)
    try:
        row = federation.wait_for_row(name, silo, "Declined")
        assert "uspended" in row["reason"]
        wait_until(
            "the suspended silo's worker ends", lambda: not federation.sites[silo].workers(name), seconds=PATIENCE
        )
        federation.wait_for_rounds(name, 5)  # the other silo continues
    finally:
        commands.fedjobs(federation.cluster, "silo", "resume", silo)
    federation.wait_for_silo(silo, "Connected")
    wait_until(
        "the silo takes part again",
        lambda: federation.row(name, silo)["state"] in ("Ready", "Working"),
        seconds=PATIENCE,
    )
    federation.delete(name)


def test_a_newer_agent_replaces_the_older_and_nothing_is_counted_twice(federation: Federation, job: str) -> None:
    site = federation.sites[FEW[0]]
    older = site.kubectl("get", "pods", AGENTS, "-o", "jsonpath={.items[0].metadata.name}")
    site.kubectl("scale", f"deployment/{RELEASE}", "--replicas=2")
    try:
        wait_until(
            "the older agent logs why it ends", lambda: logs_that_it_is_superseded(site, older), seconds=PATIENCE
        )
        assert_it_continues(federation, job)
    finally:
        site.kubectl("scale", f"deployment/{RELEASE}", "--replicas=1")
    federation.wait_for_silo(site.silo, "Connected")


def logs_that_it_is_superseded(site: Site, pod: str) -> bool:
    now, before = (site.cluster.kubectl.run("logs", pod, f"-n={site.namespace}", *more) for more in ((), ("-p",)))
    return "another agent of the same silo has replaced it" in now.stdout + before.stdout


@pytest.fixture
def old_worker(federation: Federation) -> Iterator[Site]:
    """A silo whose image supports only the previous version of the protocol."""
    source = (ROOT / "protocol/fedjobs_protocol/versions.py").read_text()
    older, changed = re.subn(r"^(PROTOCOL_VERSIONS\b.*=) \(1, 2\)$", r"\1 (1,)", source, flags=re.MULTILINE)
    assert changed == 1
    [archive] = images.build([Target.WORKER])
    derived = archive.with_name("worker-protocol-1.tar")
    compiled = f"{PACKAGE}/__pycache__/versions.cpython-311.pyc"  # Python uses it without checking the source
    files = {f"{PACKAGE}/versions.py": older.encode()}
    try:
        image = Target.WORKER.tag.rpartition(":")[0] + f":{OLD}"
        derived_images.derive(archive, image, derived, files=files, without=[compiled])
        federation.cluster.load_images([derived])
    finally:
        derived.unlink(missing_ok=True)
    with guest(federation, "hospital-old", "hospital-b", image={"tag": OLD, "pullPolicy": "Never"}) as site:
        yield site


def test_a_worker_of_the_previous_version_takes_part(federation: Federation, old_worker: Site) -> None:
    assert federation.silo_status(old_worker.silo)["versions"]["protocol"] == "1"
    name = federation.apply(a_job("old-and-new", rounds=5, silos=[FEW[0], old_worker.silo]))
    status = federation.complete(name)
    assert status["completedRounds"] == 5
