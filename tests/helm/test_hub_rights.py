"""The hub's permissions in the chart are those of its tests, and only the hub can read Secrets."""

from __future__ import annotations

import pytest
from fedjobs_api.names import FEDERATION, FEDERATION_NAMESPACE

from tests.helm.charts import COMPONENT, HUB, NAMESPACE, Helm, HelmError, Object, of_kind, part, pod, rules
from tests.hub import rights


def single_permissions(granted: list[Object]) -> set[tuple[str, str, str]]:
    """Returns the single permissions, by group, resource and verb."""
    return {
        (group, resource, verb)
        for rule in granted
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_permissions_are_those_with_which_the_hub_is_tested(helm: Helm) -> None:
    chart = rules(part(helm.objects("hub.issuerRef.name=vault", "hub.issuerRef.kind=ClusterIssuer"), HUB))
    tested = rights.EVERYWHERE + rights.WHERE_JOBS_ARE + rights.OWN_NAMESPACE + rights.WITH_CERT_MANAGER
    tested += rights.WHERE_THE_AUTHORITY_IS
    assert single_permissions(chart) == single_permissions([dict(rule) for rule in tested])


def test_only_the_hub_can_access_secrets_and_only_in_its_own_namespaces(helm: Helm) -> None:
    roles = [each for kind in ("Role", "ClusterRole") for each in of_kind(helm.objects(), kind)]
    with_secrets = [role for role in roles if any("secrets" in rule["resources"] for rule in role["rules"])]
    places = {(role["kind"], role["metadata"]["namespace"]) for role in with_secrets}
    assert places == {("Role", NAMESPACE), ("Role", f"{NAMESPACE}-authority")}
    assert {role["metadata"]["labels"][COMPONENT] for role in with_secrets} == {HUB}


def test_the_authority_is_not_beside_the_invitations(helm: Helm) -> None:
    """Whoever invites silos reads Secrets in the release's namespace. RBAC cannot restrict names by prefix."""
    objects = helm.objects()
    [container] = pod(objects, HUB)["containers"]
    assert f"--authority-namespace={NAMESPACE}-authority" in container["args"]
    [namespace] = of_kind(objects, "Namespace")
    assert namespace["metadata"]["name"] == f"{NAMESPACE}-authority"
    assert namespace["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    [role] = [each for each in of_kind(objects, "Role") if each["metadata"]["namespace"] == f"{NAMESPACE}-authority"]
    named = [rule for rule in role["rules"] if "resourceNames" in rule]
    assert [(rule["verbs"], rule["resourceNames"]) for rule in named] == [(["get", "update"], ["fedjobs-authority"])]
    assert [rule["verbs"] for rule in role["rules"] if "resourceNames" not in rule] == [["create"]]


def test_the_authoritys_namespace_can_exist_already_and_must_be_another(helm: Helm) -> None:
    objects = helm.objects("hub.authority.namespace=keys", "hub.authority.createNamespace=false")
    assert of_kind(objects, "Namespace") == []
    assert "--authority-namespace=keys" in pod(objects, HUB)["containers"][0]["args"]
    with pytest.raises(HelmError, match=r"hub\.authority\.namespace is fedjobs-system, the release's namespace"):
        helm.objects(f"hub.authority.namespace={NAMESPACE}")


def test_a_cluster_is_marked_as_that_of_one_federation(helm: Helm) -> None:
    """The name is that of every release, so Helm refuses a second one."""
    for release, namespace in (("fedjobs", NAMESPACE), ("other", "elsewhere")):
        objects = helm.objects("crds.enabled=false", release=release, namespace=namespace)
        [marker] = [each for each in of_kind(objects, "ClusterRole") if each["metadata"]["name"] == FEDERATION]
        assert marker["rules"] == []
        assert marker["metadata"]["annotations"] == {FEDERATION_NAMESPACE: namespace}


def test_the_hub_cannot_escalate_its_permissions_and_no_rule_has_a_wildcard(helm: Helm) -> None:
    granted = single_permissions(rules(part(helm.objects(), HUB)))
    assert not [right for right in granted if "*" in right]
    more = {"roles", "rolebindings", "pods/exec", "serviceaccounts", "serviceaccounts/token", "nodes"}
    assert not [right for right in granted if right[1] in more]
    assert {verb for _, resource, verb in granted if resource in ("pods", "jobs")} == {"get"}


def test_the_front_door_has_no_permissions_and_no_secret(helm: Helm) -> None:
    objects = part(helm.objects(), "front-door")
    assert not rules(objects)
    [deployment] = of_kind(objects, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert not [volume for volume in spec["volumes"] if "secret" in volume]
