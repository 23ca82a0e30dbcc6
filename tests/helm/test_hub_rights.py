"""The hub's permissions in the chart are those of its tests, and only the hub can read Secrets."""

from __future__ import annotations

from tests.helm.charts import COMPONENT, HUB, NAMESPACE, Helm, Object, of_kind, part, rules
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
    assert single_permissions(chart) == single_permissions([dict(rule) for rule in tested])


def test_only_the_hub_can_access_secrets_and_only_in_its_own_namespace(helm: Helm) -> None:
    roles = [each for kind in ("Role", "ClusterRole") for each in of_kind(helm.objects(), kind)]
    with_secrets = [role for role in roles if any("secrets" in rule["resources"] for rule in role["rules"])]
    assert [(role["kind"], role["metadata"]["namespace"]) for role in with_secrets] == [("Role", NAMESPACE)]
    assert with_secrets[0]["metadata"]["labels"][COMPONENT] == HUB
    changing = [
        rule for rule in with_secrets[0]["rules"] if "update" in rule["verbs"] and "secrets" in rule["resources"]
    ]
    assert [rule["resourceNames"] for rule in changing] == [["fedjobs-authority"]]


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
