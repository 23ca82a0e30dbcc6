"""The manifests of a job's objects in the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fedjobs_api.names import JobRef
from fedjobs_common import digests
from fedjobs_operator.children import config_maps, network, storage
from fedjobs_operator.children.coordinator_jobs import coordinator_job
from fedjobs_operator.planning.coordination import invitation
from fedjobs_protocol.hub.invitations import Invitation, InvitationGpu

from tests.operator.attempts import UID
from tests.operator.builders import FRONT_DOOR, REF, SETTINGS, TRUST, AJob, a_job
from tests.operator.manifests import accepted, parsed, the_container, the_job, the_pod, volume

LONGEST_JOB = "j" * 40
LONGEST_SILO = "s" * 63


def the_children() -> Iterator[dict[str, Any]]:
    """All children of a job and a silo with the longest possible names."""
    job = a_job().called(LONGEST_JOB).with_silos(LONGEST_SILO).in_a_queue()
    ref, found = JobRef("team", LONGEST_JOB, UID), accepted(job, LONGEST_SILO)
    yield config_maps.resolved_config(ref, found.resolved)
    yield network.service(ref)
    yield network.network_policy(ref)
    yield storage.claim(ref, parsed(a_job().with_("spec.coordinator.storage", {"whenDeleted": "Delete"})))
    yield coordinator_job(ref, found.job, 1001, SETTINGS, config_maps.digest(found.resolved))
    yield config_maps.hub_config(ref, TRUST)


CHILDREN = {f"{child['kind']} {child['metadata']['name'][40:]}": child for child in the_children()}


@pytest.fixture(params=CHILDREN.values(), ids=CHILDREN.keys())
def child(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def test_names_are_short_enough(child: dict[str, Any]) -> None:
    longest = {
        "Job": 63 - len("-x7k2p"),
        "Service": 63,
    }  # a pod's name is its host name, and is the Job's name with a suffix
    assert len(child["metadata"]["name"]) <= longest.get(child["kind"], 253)


def test_labels_are_short_enough(child: dict[str, Any]) -> None:
    assert all(len(value) <= 63 for value in child["metadata"]["labels"].values())


def test_every_child_has_the_job_as_its_owner_and_label(child: dict[str, Any]) -> None:
    assert child["metadata"]["namespace"] == "team"
    assert child["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "fedjobs.dev/v1alpha1",
            "kind": "FederatedJob",
            "name": LONGEST_JOB,
            "uid": UID,
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]
    labels = child["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "fedjobs-operator"
    assert (labels["fedjobs.dev/job"], labels["fedjobs.dev/job-uid"]) == (LONGEST_JOB, UID)


def test_the_resolved_job_is_immutable() -> None:
    resolved = accepted(a_job()).resolved
    config = config_maps.resolved_config(REF, resolved)
    assert config["immutable"] is True
    assert config["data"]["digest"] == str(digests.digest(config["data"]["job.json"].encode()))
    assert config_maps.read(config, config_maps.digest(resolved)) == resolved
    assert config_maps.read(config, "0" * 64) is None


def test_a_resolved_job_of_a_newer_release_is_not_read() -> None:
    text = config_maps.document(accepted(a_job()).resolved).replace("{", '{"newer": 1, ', 1)
    assert config_maps.read({"data": {"job.json": text}}, str(digests.digest(text.encode()))) is None


def test_a_claim_follows_the_jobs_storage_spec() -> None:
    wanted = {"size": "3Gi", "storageClassName": "fast", "accessMode": "ReadWriteOncePod"}
    spec = storage.claim(REF, parsed(a_job().with_("spec.coordinator.storage", wanted)))["spec"]
    assert spec == {
        "accessModes": ["ReadWriteOncePod"],
        "resources": {"requests": {"storage": "3Gi"}},
        "storageClassName": "fast",
    }
    assert "storageClassName" not in storage.claim(REF, parsed(a_job()))["spec"]


@pytest.mark.parametrize(
    ("job", "retained"),
    [
        (a_job(), True),
        (a_job().writing_to("s3://models/digits"), True),
        (a_job().writing_to_the_claim("models"), True),
        (a_job().with_("spec.coordinator.storage", {"whenDeleted": "Delete"}), False),
        (a_job().writing_to("s3://x/y").with_("spec.coordinator.storage", {"whenDeleted": "Retain"}), True),
    ],
    ids=["no output", "s3", "another claim", "Delete", "Retain"],
)
def test_a_claim_has_no_owner_before_the_export_unless_the_spec_says_so(job: AJob, retained: bool) -> None:
    metadata = storage.claim(REF, parsed(job))["metadata"]
    assert ("ownerReferences" not in metadata) is retained
    assert metadata["labels"]["fedjobs.dev/job-uid"] == UID


def test_a_service_finds_the_coordinators_of_this_one_job() -> None:
    spec = network.service(REF)["spec"]
    labels = the_job()["spec"]["template"]["metadata"]["labels"]
    assert spec["selector"].items() <= labels.items()
    assert spec["selector"]["fedjobs.dev/job-uid"] == UID
    (port,) = spec["ports"]
    assert port["port"] == 8443
    assert port["targetPort"] in {port["name"] for port in the_container()["ports"]}


def test_a_network_policy_lets_in_the_session_and_the_metrics_and_nothing_else() -> None:
    spec = network.network_policy(REF)["spec"]
    assert spec["policyTypes"] == ["Ingress"]
    (rule,) = spec["ingress"]
    assert [port["port"] for port in rule["ports"]] == [8443, 9090]
    assert spec["podSelector"]["matchLabels"] == network.service(REF)["spec"]["selector"]


def the_invitation(job: AJob) -> Invitation:
    found = accepted(job)
    written = invitation(REF, found.job, found.resolved, FRONT_DOOR)
    return Invitation.model_validate_json(json.dumps(written))


def test_an_invitation_contains_only_what_a_silo_needs() -> None:
    told = the_invitation(a_job().with_("spec.worker", {"gpu": {"mode": "Require", "count": 2}}))
    assert told == Invitation(
        job_uid=UID,
        job_name="digits",
        namespace="team",
        requested_by=told.requested_by,
        program="fedavg",
        datasets=["digits"],
        rounds=told.rounds,
        min_silos=2,
        address="fedjobs.example.org:443",
        server_name="j-0f8e7d6c5b4a4938.fedjobs.example.org",
        gpu=InvitationGpu(mode="Require", count=2),
    )


def test_an_invitation_names_requester_and_rounds_if_they_are_known() -> None:
    job = a_job().with_("spec.requestedBy", "alice@example.org").with_("spec.program.parameters.rounds", 7)
    assert (the_invitation(job).requested_by, the_invitation(job).rounds) == ("alice@example.org", 7)
    own = {"entrypoint": "training:main", "source": {"configMap": {"name": "program"}}}
    told = the_invitation(a_job().with_("spec.program", own))
    assert (told.requested_by, told.rounds, told.program) == (None, None, "training:main")


def test_a_coordinator_gets_a_token_for_the_hub_alone_and_the_trusted_issuers() -> None:
    token, trust = volume(a_job(), "hub")["projected"]["sources"]
    assert token == {"serviceAccountToken": {"audience": "fedjobs-hub", "expirationSeconds": 3600, "path": "token"}}
    config = config_maps.hub_config(REF, TRUST)
    assert trust["configMap"]["name"] == config["metadata"]["name"] == "digits-hub"
    assert [item["key"] for item in trust["configMap"]["items"]] == list(config["data"]) == ["ca.crt"]


def test_no_child_is_a_secret_and_only_the_users_secrets_are_mounted() -> None:
    assert "Secret" not in {child["kind"] for child in CHILDREN.values()}
    assert not [each for each in the_pod()["volumes"] if "secret" in each]


def test_a_route_connects_the_front_doors_namespace_to_the_jobs_service_only() -> None:
    route = network.route(REF, SETTINGS)
    assert (route["metadata"]["name"], route["metadata"]["namespace"]) == (REF.service, "fedjobs-system")
    target = "j-0f8e7d6c5b4a4938.team.svc.cluster.local"
    assert route["spec"] == {"type": "ExternalName", "externalName": target}
    assert network.service(REF)["metadata"]["name"] == REF.service
    # An owner must be in the same namespace. Otherwise the garbage collector deletes the object.
    assert "ownerReferences" not in route["metadata"]
    assert route["metadata"]["labels"]["fedjobs.dev/job-namespace"] == "team"
