"""The chart's components have few permissions, and their pods have even fewer."""

from __future__ import annotations

import pytest

from tests.helm.charts import FRONT_DOOR, HUB, OPERATOR, Helm, Object, of_kind, part, pod, rules

PARTS = (OPERATOR, HUB, FRONT_DOOR)


@pytest.fixture
def granted(helm: Helm) -> list[Object]:
    """The operator's rules."""
    return rules(part(helm.objects(), OPERATOR))


def test_no_rule_has_a_wildcard(granted: list[Object]) -> None:
    for rule in granted:
        assert not any("*" in each for part in ("apiGroups", "resources", "verbs") for each in rule[part])


def test_the_operator_has_no_access_to_secrets(granted: list[Object]) -> None:
    assert not [rule for rule in granted if "secrets" in rule["resources"]]


@pytest.mark.parametrize(
    "resource", ["roles", "rolebindings", "pods/exec", "serviceaccounts", "serviceaccounts/token", "nodes"]
)
def test_the_operator_cannot_escalate_its_permissions(granted: list[Object], resource: str) -> None:
    assert not [rule for rule in granted if resource in rule["resources"]]


def test_pods_are_only_read(granted: list[Object]) -> None:
    [rule] = [rule for rule in granted if "pods" in rule["resources"]]
    assert set(rule["verbs"]) == {"list", "watch"}


@pytest.mark.parametrize("name", PARTS)
def test_a_pod_can_write_to_its_temporary_folder_only(helm: Helm, name: str) -> None:
    spec = pod(helm.objects(), name)
    [container] = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")] == ["tmp"]
    assert {"name": "tmp", "emptyDir": {}} in spec["volumes"]


@pytest.mark.parametrize("name", PARTS)
def test_a_pod_has_probes_and_resources(helm: Helm, name: str) -> None:
    [container] = pod(helm.objects(), name)["containers"]
    assert {"readinessProbe", "livenessProbe"} <= container.keys()
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]


def test_the_operators_token_is_for_the_hub_only(helm: Helm) -> None:
    [volume] = [each for each in pod(helm.objects())["volumes"] if each["name"] == "hub"]
    [source] = volume["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "fedjobs-hub"


def test_every_component_is_rendered(helm: Helm) -> None:
    deployments = of_kind(helm.objects(), "Deployment")
    assert {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in deployments} == set(PARTS)
