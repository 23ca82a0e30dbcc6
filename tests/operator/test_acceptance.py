"""Whether the operator accepts a job, which silos take part, and what the message says if it does not."""

from __future__ import annotations

from typing import Any

import pytest
from fedjobs_api.conditions import Reason
from fedjobs_operator.planning.acceptance import Accepted, NotAccepted, accept
from fedjobs_operator.planning.observations import KnownSilo

from tests.operator.builders import HOSPITALS, SETTINGS, AJob, a_job, a_silo

OWN_NAMESPACES = SETTINGS.own_namespaces


def accepted(job: AJob, *silos: KnownSilo) -> Accepted:
    found = accept(job.body, silos or HOSPITALS, None, OWN_NAMESPACES)
    assert isinstance(found, Accepted), found
    return found


def refused(job: AJob, *silos: KnownSilo, with_none: bool = False) -> tuple[Reason, str]:
    found = accept(job.body, () if with_none else silos or HOSPITALS, None, OWN_NAMESPACES)
    assert isinstance(found, NotAccepted), found
    return found.reason, found.message


def test_the_resolved_job_has_the_objects_uid_and_all_silos() -> None:
    job = a_job()
    resolved = accepted(job).resolved
    assert (resolved.uid, resolved.name) == (job.body["metadata"]["uid"], "digits")
    assert (list(resolved.silos), resolved.cohort.min_silos) == (["hospital-a", "hospital-b"], 2)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("spec.program.parameters.rounds", -1, ["spec.program.parameters.rounds", "-1"]),
        ("spec.program.parameters.client.learningRat", 0.1, ["learningRat", "learningRate"]),
        ("spec.program.name", "fedavgg", ["spec.program.name", "fedavgg", "fedavg"]),
        ("spec.cohort", {"minSilos": 3}, ["spec.cohort.minSilos", "3", "2"]),
        ("spec.program.source", {"path": "programs"}, ["spec.program.source"]),
    ],
)
def test_an_invalid_spec_is_refused_with_path_and_remedy(path: str, value: Any, words: list[str]) -> None:
    reason, message = refused(a_job().with_(path, value))
    assert reason is Reason.INVALID_SPEC
    for word in words:
        assert word in message


@pytest.mark.parametrize("namespace", OWN_NAMESPACES)
def test_a_job_in_the_operators_own_namespace_is_refused_with_the_reason(namespace: str) -> None:
    """The pod of its coordinator could mount the federation's keys."""
    reason, message = refused(a_job().with_("metadata.namespace", namespace))
    assert reason is Reason.NAMESPACE_NOT_ALLOWED
    assert "can mount any Secret" in message
    assert "Create the job in another namespace" in message


def test_the_message_names_missing_and_available_silos() -> None:
    reason, message = refused(a_job().with_silos("hospital-a", "elsewhere", "nowhere"))
    assert reason is Reason.SILOS_NOT_FOUND
    assert "elsewhere, nowhere" in message
    assert "Available silos: hospital-a, hospital-b (kubectl get silos)" in message


def test_without_any_silo_the_message_says_so() -> None:
    assert "There are no silos yet" in refused(a_job(), with_none=True)[1]


def test_a_suspended_silo_is_not_available() -> None:
    assert refused(a_job(), a_silo("hospital-a"), a_silo("hospital-b", suspended=True))[0] is Reason.SILOS_NOT_FOUND


def test_labels_select_silos_that_are_not_suspended() -> None:
    silos = [
        a_silo("a", network="north"),
        a_silo("b", network="north", country="fi"),
        a_silo("c", network="north", suspended=True),
        a_silo("d", network="south"),
    ]
    assert list(accepted(a_job().with_silos_labelled(network="north"), *silos).resolved.silos) == ["a", "b"]


def test_labels_that_no_silo_has_are_refused() -> None:
    reason, message = refused(a_job().with_silos_labelled(network="north", country="fi"))
    assert reason is Reason.SILOS_NOT_FOUND
    assert "spec.silos.selector" in message
    assert "country=fi, network=north" in message or "network=north, country=fi" in message


def test_a_dataset_that_too_few_silos_offer_is_refused() -> None:
    reason, message = refused(a_job(), a_silo("hospital-a", "digits"), a_silo("hospital-b", "letters"))
    assert reason is Reason.DATASET_NOT_OFFERED
    assert "do not offer the dataset 'digits': hospital-b. The job needs at least 2 silos" in message


@pytest.mark.parametrize(
    "silos",
    [
        (a_silo("hospital-a", "digits"), a_silo("hospital-b", "digits", "letters")),
        (a_silo("hospital-a"), a_silo("hospital-b", "digits")),
    ],
    ids=["both offer it", "one does not say"],
)
def test_silos_that_may_have_the_dataset(silos: tuple[KnownSilo, ...]) -> None:
    assert accepted(a_job(), *silos)


def test_a_silo_without_the_dataset_is_no_problem_if_enough_others_have_it() -> None:
    job = a_job().with_("spec.cohort", {"minSilos": 1})
    assert accepted(job, a_silo("hospital-a", "digits"), a_silo("hospital-b", "letters"))


def test_a_resolved_job_runs_whatever_happens_to_the_silos() -> None:
    resolved = accepted(a_job()).resolved
    found = accept(a_job().body, (), resolved, OWN_NAMESPACES)
    assert isinstance(found, Accepted)
    assert (found.resolved, found.changed) == (resolved, "")
