"""Every rule in CEL, with its message; and the same rule on one machine."""

from __future__ import annotations

from typing import Any

import pytest
from fedjobs_common.errors import FedjobsError
from fedjobs_operator import api

from tests.api.jobs import a_job, a_job_with
from tests.cluster.api_servers import ApiServer
from tests.cluster.kubectl import KubectlError
from tests.crds.requests import Jobs, Refused
from tests.crds.schemas import rules, schema

pytestmark = pytest.mark.api_server

ONE_PROGRAM = "exactly one of name, entrypoint and computation is needed: write name: fedavg, for example"
ONE_PLACE = "exactly one of configMap and path is needed: give a configMap on a cluster, a path on one machine"
ONE_CHOICE = "exactly one of names and matchLabels is needed: write names: [...], for example"
NAME = "a job's name is part of other names: give it at most 40 characters, and no dot"

CONTRADICTIONS: list[tuple[str, Any, str, str]] = [
    ("spec.program", {}, "spec.program", ONE_PROGRAM),
    ("spec.program", {"name": "fedavg", "entrypoint": "churn:main"}, "spec.program", ONE_PROGRAM),
    ("spec.program", {"name": "fedavg", "computation": {"path": "a.pb"}}, "spec.program", ONE_PROGRAM),
    ("spec.program", {"computation": {}}, "spec.program.computation", ONE_PLACE),
    (
        "spec.program",
        {"computation": {"path": "a.pb", "configMap": {"name": "a", "key": "b"}}},
        "spec.program.computation",
        ONE_PLACE,
    ),
    ("spec.program", {"entrypoint": "churn:main", "source": {}}, "spec.program.source", ONE_PLACE),
    ("spec.silos", {}, "spec.silos", ONE_CHOICE),
    ("spec.silos", {"names": ["a"], "matchLabels": {"network": "eu"}}, "spec.silos", ONE_CHOICE),
    (
        "spec.cohort",
        {"minSilos": 3, "goalSilos": 2},
        "spec.cohort.goalSilos",
        "goalSilos is less than minSilos: raise goalSilos, or lower minSilos",
    ),
    (
        "spec.output",
        {"uri": "s3://models/a", "persistentVolumeClaim": {"claimName": "models"}},
        "spec.output",
        "both uri and persistentVolumeClaim are given: keep one of them",
    ),
    (
        "spec.output",
        {"secretName": "s3"},
        "spec.output.secretName",
        "secretName has the credentials of a uri, and there is none: add uri, or leave secretName out",
    ),
    *(
        (
            "spec.output",
            {"uri": uri},
            "spec.output.uri",
            "the result would be gone with the coordinator's pod: give a persistentVolumeClaim instead",
        )
        for uri in ("file:///models", "local:///models", "memory://models")
    ),
    ("metadata.name", "a" * 41, "metadata.name", NAME),
    ("metadata.name", "digits.v2", "metadata.name", NAME),
]


@pytest.mark.parametrize(("path", "value", "field", "message"), CONTRADICTIONS)
def test_fields_that_contradict_each_other_are_refused_with_the_remedy(
    trials: Jobs, path: str, value: Any, field: str, message: str
) -> None:
    job = a_job_with(path, value)
    with pytest.raises(Refused) as caught:
        trials.try_to_create(job)
    assert message in caught.value.of(field)
    with pytest.raises(FedjobsError):
        api.parse(job)


def test_kubectl_shows_field_and_remedy(server: ApiServer) -> None:
    manifest = str(a_job_with("spec.cohort", {"minSilos": 3, "goalSilos": 2})).replace("'", '"')
    with pytest.raises(KubectlError, match=r"spec.cohort.goalSilos: .*: goalSilos is less than minSilos: raise goal"):
        server.kubectl("apply", "-f", "-", stdin=manifest)


def test_a_name_of_forty_characters_is_accepted(trials: Jobs) -> None:
    job = a_job_with("metadata.name", "a" * 40)
    api.parse(job)
    trials.try_to_create(job)


@pytest.mark.parametrize("name", ["a" * 64, "hospital.a"])
def test_a_silos_name_is_a_labels_value(server: ApiServer, name: str) -> None:
    manifest = f"{{apiVersion: fedjobs.dev/v1alpha1, kind: Silo, metadata: {{name: {name}}}}}"
    with pytest.raises(KubectlError, match=r"metadata.name: .*a silo's name is a label's value: give it at most 63"):
        server.kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest)


def test_no_rule_is_without_a_test() -> None:
    written = {rule["message"] for rule in rules(schema("federatedjobs.yaml"))}
    tested = {message for *_, message in CONTRADICTIONS}
    assert {message for message in written if "cannot change" not in message} == tested


def test_messages_say_the_remedy_in_one_line() -> None:
    for rule in [*rules(schema("federatedjobs.yaml")), *rules(schema("silos.yaml"))]:
        assert ": " in rule["message"]
        assert "\n" not in rule["message"]


def test_a_job_without_an_optional_part_is_valid(trials: Jobs) -> None:
    trials.try_to_create(a_job())
