"""Each CEL rule with its message, and the same rule in local validation."""

from __future__ import annotations

from typing import Any

import fedjobs_api as api
import pytest
from fedjobs_common.errors import FedjobsError

from tests.api.jobs import a_job, a_job_with
from tests.cluster.api_servers import ApiServer
from tests.cluster.kubectl import KubectlError
from tests.crds.requests import Jobs, Refused
from tests.crds.schemas import rules, schema

pytestmark = pytest.mark.api_server

ONE_PROGRAM = "exactly one of name, entrypoint and computation is required: set name: fedavg, for example"
ONE_PLACE = "exactly one of configMap and path is required: set configMap on a cluster, or path on one machine"
ONE_CHOICE = "exactly one of names and selector is required: set names: [...], for example"
NAME = "the name of a job is part of other names: use at most 40 characters and no dots"

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
    ("spec.silos", {"names": ["a"], "selector": {"matchLabels": {"network": "eu"}}}, "spec.silos", ONE_CHOICE),
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
        "uri and persistentVolumeClaim are both set: keep one of them",
    ),
    (
        "spec.output",
        {"secretRef": {"name": "s3"}},
        "spec.output.secretRef",
        "secretRef is set without a uri: add uri, or remove secretRef",
    ),
    *(
        (
            "spec.output",
            {"uri": uri},
            "spec.output.uri",
            "the result would be lost with the coordinator's pod: set persistentVolumeClaim instead",
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
def test_a_silos_name_is_a_valid_label_value(server: ApiServer, name: str) -> None:
    manifest = f"{{apiVersion: fedjobs.dev/v1alpha1, kind: Silo, metadata: {{name: {name}}}}}"
    with pytest.raises(
        KubectlError, match=r"metadata.name: .*the name of a silo is used as a label value: use at most 63"
    ):
        server.kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest)


def test_every_rule_is_tested() -> None:
    written = {rule["message"] for rule in rules(schema("federatedjobs.yaml"))}
    tested = {message for *_, message in CONTRADICTIONS}
    assert {message for message in written if "is immutable" not in message} == tested


def test_messages_give_the_remedy_in_one_line() -> None:
    for rule in [*rules(schema("federatedjobs.yaml")), *rules(schema("silos.yaml"))]:
        assert ": " in rule["message"]
        assert "\n" not in rule["message"]


def test_a_job_without_an_optional_part_is_valid(trials: Jobs) -> None:
    trials.try_to_create(a_job())
