"""The silo decides: refusals that name their rule, a person's word, and a log that shows when it was changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fedjobs_worker.consent.approvals import CONFIG_MAP

from tests.cluster.readiness import wait_until
from tests.e2e import commands
from tests.e2e.federations import Federation, a_job
from tests.e2e.installations import INSIDE
from tests.e2e.sites import Site, example_values

SILO = "hospital-c"
OTHER = "hospital-d"
PAIR = (SILO, OTHER)

Policed = Callable[[dict[str, Any]], Site]
"""Gives the silo a policy, for one test."""


@pytest.fixture
def policed(federation: Federation) -> Iterator[Policed]:
    site, before = federation.sites[SILO], example_values(SILO, dialAddress=INSIDE)

    site.kubectl("delete", "configmap", CONFIG_MAP, "--ignore-not-found")  # what was said in an earlier run

    def give(policy: dict[str, Any]) -> Site:
        site.upgrade({**before, "policy": {**before["policy"], **policy}})
        return site

    yield give
    site.upgrade(before)


def test_a_refusal_shows_the_silo_and_the_rule(federation: Federation, policed: Policed) -> None:
    policed({"requesters": ["alice@example.org"]})
    job = a_job("refused", rounds=2, silos=PAIR)
    job["spec"]["cohort"] |= {"minSilos": 1, "goalSilos": 1}
    name = federation.apply(job)

    federation.complete(name)

    row = federation.row(name, SILO)
    assert (row["state"], row["reason"]) == ("Declined", "policy.requesters")
    described = federation.kubectl("describe", "federatedjob", name)
    assert SILO in described
    assert "policy.requesters" in described


def test_a_job_that_needs_the_silo_that_refuses_fails_and_says_why(federation: Federation, policed: Policed) -> None:
    policed({"namespaces": ["research"]})
    name = federation.apply(a_job("refused-by-one", rounds=2, silos=PAIR))
    failure = federation.wait_for(name, "Failed")
    assert failure["reason"] == "CohortTooSmall"
    assert SILO in failure["message"]
    assert "policy.namespaces" in failure["message"] + str(federation.row(name, SILO))


def test_a_computation_waits_for_a_persons_word_and_is_what_then_runs(federation: Federation, policed: Policed) -> None:
    site = policed({"computations": {"approval": "manual"}})
    name = federation.apply(a_job("asks-first", rounds=2, silos=PAIR))
    federation.wait_for_row(name, SILO, "AwaitingApproval")
    approved: list[str] = []

    def approve_what_waits() -> bool:
        """A job has several computations: training, evaluation."""
        for waiting in site.pending():
            if waiting["digest"] not in approved:
                assert waiting["explanation"]
                assert waiting["explanation"] == site.fedjobs("pending", waiting["digest"])
                site.fedjobs("approve", waiting["digest"], "--message", "looked at it")
                approved.append(waiting["digest"])
        return federation.condition(name, "Complete").get("status") == "True"

    wait_until("all that waits is approved", approve_what_waits, seconds=commands.PATIENCE)

    uid = federation.job(name)["metadata"]["uid"]

    def ran() -> set[str]:
        """By the log, into which the agent brings the workers' entries by and by."""
        return {entry["shard"] for entry in site.audit() if entry["job"] == uid and entry["subject"] == "work"}

    wait_until("the log has what ran", lambda: len(ran()) >= len(approved))
    assert ran() == set(approved)


def test_a_computation_that_is_denied_is_refused_by_that_rule(federation: Federation, policed: Policed) -> None:
    site = policed({"computations": {"approval": "manual"}})
    job = a_job("denied", rounds=3, silos=PAIR)
    job["spec"]["program"]["parameters"]["client"]["learningRate"] = 0.01
    job["spec"]["program"]["parameters"]["model"]["keras"]["layers"][0]["Dense"]["units"] = 48  # another digest
    name = federation.apply(job)
    federation.wait_for_row(name, SILO, "AwaitingApproval")
    wait_until("it is listed", lambda: bool(site.pending()))

    site.fedjobs("deny", site.pending()[0]["digest"], "--message", "not with these data")

    failure = federation.wait_for(name, "Failed")
    assert SILO in failure["message"]
    assert federation.row(name, SILO)["reason"].startswith("policy.computations")


def test_a_changed_byte_shows(federation: Federation, tmp_path: Path) -> None:
    federation.complete(federation.apply(a_job("audited", rounds=2, silos=PAIR)))
    site = federation.sites[SILO]
    assert "entries" in site.fedjobs("audit", "--verify")

    log = tmp_path / "audit.jsonl"
    log.write_text("".join(f"{json.dumps(entry)}\n" for entry in site.audit()))
    assert verified(site, log)
    log.write_text(log.read_text().replace('"allowed"', '"allowEd"', 1))
    assert not verified(site, log)


def verified(site: Site, log: Path) -> bool:
    return commands.ended(site.cluster, "silo", "audit", str(log), "--verify").returncode == 0
