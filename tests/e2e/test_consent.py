"""The silo decides: refusals name their rule, people approve computations, and the audit log reveals changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fedjobs_worker.consent.approvals import CONFIG_MAP

from tests.cluster.readiness import wait_until
from tests.e2e import commands
from tests.e2e.federations import SILOS, Federation, a_job, a_training
from tests.e2e.installations import INSIDE
from tests.e2e.sites import Site, example_values

ANOTHER = "hospital-a"  # has the example's policy, which allows the jobs
REFUSING, ASKING = SILOS[2:]
Policies = dict[str, dict[str, Any]]
"""The policies' differences from the example, by silo name."""


@pytest.fixture(scope="module")
def give(federation: Federation) -> Iterator[Callable[[Policies], None]]:
    """Sets policies of silos in parallel, and clears earlier approvals. At the end, restores the example's policies."""
    given: set[str] = set()

    def give(policies: Policies) -> None:
        given.update(policies)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda silo: _set_policy(federation.sites[silo], policies[silo]), policies))

    yield give
    give({silo: {} for silo in given})


def _set_policy(site: Site, policy: dict[str, Any]) -> None:
    site.kubectl("delete", "configmap", CONFIG_MAP, "--ignore-not-found")
    values = example_values(site.silo, dialAddress=INSIDE)
    site.upgrade({**values, "policy": {**values["policy"], **policy}})


@pytest.fixture(scope="module")
def refusals(federation: Federation, give: Callable[[Policies], None]) -> tuple[str, str]:
    """Runs a job that continues without the silo that refuses it, and a job that cannot. Both have ended."""
    give({REFUSING: {"requesters": ["alice@example.org"]}, ASKING: {"namespaces": ["research"]}})
    job = a_job("refused", rounds=2, silos=(ANOTHER, REFUSING))
    job["spec"]["cohort"] |= {"minSilos": 1, "goalSilos": 1}
    without = federation.apply(job)
    never = federation.apply(a_job("refused-by-one", rounds=2, silos=(ANOTHER, ASKING)))
    federation.complete(without)
    federation.wait_for(never, "Failed")
    return without, never


def test_a_refusal_shows_the_silo_and_the_rule(federation: Federation, refusals: tuple[str, str]) -> None:
    name = refusals[0]
    row = federation.row(name, REFUSING)
    assert (row["state"], row["reason"]) == ("Declined", "policy.requesters")
    described = federation.kubectl("describe", "federatedjob", name)
    assert REFUSING in described
    assert "policy.requesters" in described


def test_a_job_that_needs_the_silo_that_refuses_fails_and_says_why(
    federation: Federation, refusals: tuple[str, str]
) -> None:
    name = refusals[1]
    failure = federation.condition(name, "Failed")
    assert failure["reason"] == "CohortTooSmall"
    assert ASKING in failure["message"]
    assert "policy.namespaces" in failure["message"] + str(federation.row(name, ASKING))


@pytest.fixture(scope="module")
def questions(federation: Federation, give: Callable[[Policies], None]) -> dict[str, str]:
    """Jobs, by the silo whose approval they wait for: one with several TFF computations, and one to be denied."""
    manual = {"computations": {"approval": "Manual"}}
    give({REFUSING: manual, ASKING: manual})
    training = a_training("asks-first", rounds=2, silos=(ANOTHER, ASKING))
    denied = a_job("denied", rounds=3, silos=(ANOTHER, REFUSING))
    return {ASKING: federation.apply(training), REFUSING: federation.apply(denied)}


def test_a_computation_waits_for_approval_and_only_approved_computations_run(
    federation: Federation, questions: dict[str, str]
) -> None:
    site, name = federation.sites[ASKING], questions[ASKING]
    federation.wait_for_row(name, ASKING, "AwaitingApproval")
    approved: list[str] = []

    def approve_pending() -> bool:
        """Approves all pending computations. A job has several: training and evaluation."""
        for waiting in site.pending():
            if waiting["digest"] not in approved:
                assert waiting["explanation"]
                assert waiting["explanation"] == site.fedjobs("pending", waiting["digest"])
                site.fedjobs("approve", waiting["digest"], "--message", "looked at it")
                approved.append(waiting["digest"])
        return federation.condition(name, "Complete").get("status") == "True"

    wait_until("the job completes after its computations are approved", approve_pending, seconds=commands.PATIENCE)

    uid = federation.job(name)["metadata"]["uid"]

    def executed_shards() -> set[str]:
        """Returns the shards that ran, by the audit log. The agent adds the workers' entries with a delay."""
        return {entry["shard"] for entry in site.audit() if entry["job"] == uid and entry["subject"] == "work"}

    wait_until("the audit log contains the approved shards", lambda: len(executed_shards()) >= len(approved))
    assert len(approved) > 1
    assert executed_shards() == set(approved)


def test_a_computation_that_is_denied_is_refused_by_that_rule(
    federation: Federation, questions: dict[str, str]
) -> None:
    site, name = federation.sites[REFUSING], questions[REFUSING]
    federation.wait_for_row(name, REFUSING, "AwaitingApproval")
    wait_until("the computation is listed", lambda: bool(site.pending()))

    site.fedjobs("deny", site.pending()[0]["digest"], "--message", "not with these data")

    failure = federation.wait_for(name, "Failed")
    assert REFUSING in failure["message"]
    assert federation.row(name, REFUSING)["reason"].startswith("policy.computations")


def test_the_audit_log_reveals_a_changed_byte(
    federation: Federation, refusals: tuple[str, str], tmp_path: Path
) -> None:
    site = federation.sites[ANOTHER]
    uid = federation.job(refusals[0])["metadata"]["uid"]
    wait_until("the audit log contains the job", lambda: uid in {entry["job"] for entry in site.audit()})
    assert "entries" in site.fedjobs("audit", "--verify")

    log = tmp_path / "audit.jsonl"
    log.write_text("".join(f"{json.dumps(entry)}\n" for entry in site.audit()))
    assert is_verified(site, log)
    log.write_text(log.read_text().replace('"allowed"', '"allowEd"', 1))
    assert not is_verified(site, log)


def is_verified(site: Site, log: Path) -> bool:
    return commands.ended(site.cluster, "silo", "audit", str(log), "--verify").returncode == 0
