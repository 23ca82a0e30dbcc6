"""The operator has few rights, and its pod fewer."""

from __future__ import annotations

import pytest

from tests.helm.charts import Helm, pod, rules


def test_no_rule_has_a_wildcard(helm: Helm) -> None:
    for rule in rules(helm.objects()):
        assert not any("*" in each for part in ("apiGroups", "resources", "verbs") for each in rule[part])


def test_no_secret_can_be_read_but_the_operator_s_own(helm: Helm) -> None:
    reading = [
        r for r in rules(helm.objects()) if "secrets" in r["resources"] and {"get", "list", "watch"} & set(r["verbs"])
    ]
    assert [(rule["verbs"], rule["resourceNames"]) for rule in reading] == [(["get"], ["fedjobs-authority"])]


@pytest.mark.parametrize(
    "resource", ["roles", "rolebindings", "pods/exec", "serviceaccounts", "serviceaccounts/token", "nodes"]
)
def test_what_would_give_more_rights_is_out_of_reach(helm: Helm, resource: str) -> None:
    assert not [rule for rule in rules(helm.objects()) if resource in rule["resources"]]


def test_pods_are_only_looked_at(helm: Helm) -> None:
    [rule] = [rule for rule in rules(helm.objects()) if "pods" in rule["resources"]]
    assert set(rule["verbs"]) == {"list", "watch"}


def test_the_pod_can_write_nothing_but_its_folder_for_scratch(helm: Helm) -> None:
    spec = pod(helm.objects())
    [container] = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {}}]


def test_the_pod_has_probes_and_resources(helm: Helm) -> None:
    [container] = pod(helm.objects())["containers"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
