"""The silo decides: refusals that name their rule, a person's word, and a log that shows when it was changed."""

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

ANOTHER = "hospital-a"  # has the example's policy, and agrees
REFUSING, ASKING = SILOS[2:]
Policies = dict[str, dict[str, Any]]
"""Of silos, by their names: what is different from the example."""


@pytest.fixture(scope="module")
def give(federation: Federation) -> Iterator[Callable[[Policies], None]]:
    """Gives silos policies, all at once; nothing that was said before counts. In the end they have the example's."""
    given: set[str] = set()

    def give(policies: Policies) -> None:
        given.update(policies)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda silo: _give(federation.sites[silo], policies[silo]), policies))

    yield give
    give({silo: {} for silo in given})


def _give(site: Site, policy: dict[str, Any]) -> None:
    site.kubectl("delete", "configmap", CONFIG_MAP, "--ignore-not-found")
    values = example_values(site.silo, dialAddress=INSIDE)
    site.upgrade({**values, "policy": {**values["policy"], **policy}})


@pytest.fixture(scope="module")
def refusals(federation: Federation, give: Callable[[Policies], None]) -> tuple[str, str]:
    """A job that goes on without the silo that refuses, and one that cannot; both have ended."""
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
    """Jobs by the silo whose people they wait for: TFF's, with several computations, and one with another digest."""
    manual = {"computations": {"approval": "manual"}}
    give({REFUSING: manual, ASKING: manual})
    training = a_training("asks-first", rounds=2, silos=(ANOTHER, ASKING))
    denied = a_job("denied", rounds=3, silos=(ANOTHER, REFUSING))
    return {ASKING: federation.apply(training), REFUSING: federation.apply(denied)}


def test_a_computation_waits_for_a_persons_word_and_is_what_then_runs(
    federation: Federation, questions: dict[str, str]
) -> None:
    site, name = federation.sites[ASKING], questions[ASKING]
    federation.wait_for_row(name, ASKING, "AwaitingApproval")
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
    assert len(approved) > 1
    assert ran() == set(approved)


def test_a_computation_that_is_denied_is_refused_by_that_rule(
    federation: Federation, questions: dict[str, str]
) -> None:
    site, name = federation.sites[REFUSING], questions[REFUSING]
    federation.wait_for_row(name, REFUSING, "AwaitingApproval")
    wait_until("it is listed", lambda: bool(site.pending()))

    site.fedjobs("deny", site.pending()[0]["digest"], "--message", "not with these data")

    failure = federation.wait_for(name, "Failed")
    assert REFUSING in failure["message"]
    assert federation.row(name, REFUSING)["reason"].startswith("policy.computations")


def test_a_changed_byte_shows(federation: Federation, refusals: tuple[str, str], tmp_path: Path) -> None:
    site = federation.sites[ANOTHER]
    uid = federation.job(refusals[0])["metadata"]["uid"]
    wait_until("the log has the job", lambda: uid in {entry["job"] for entry in site.audit()})
    assert "entries" in site.fedjobs("audit", "--verify")

    log = tmp_path / "audit.jsonl"
    log.write_text("".join(f"{json.dumps(entry)}\n" for entry in site.audit()))
    assert verified(site, log)
    log.write_text(log.read_text().replace('"allowed"', '"allowEd"', 1))
    assert not verified(site, log)


def verified(site: Site, log: Path) -> bool:
    return commands.ended(site.cluster, "silo", "audit", str(log), "--verify").returncode == 0
