"""What each value changes in the rendered manifests."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.helm.charts import CHART, FRONT_DOOR, HUB, NAMESPACE, OPERATOR, Helm, Object, of_kind, part, pod

CRDS = CHART.parents[1] / "crds"
KEPT = {"helm.sh/resource-policy": "keep"}
MONITORED = (
    "metrics.serviceMonitor.enabled=true",
    "metrics.prometheusRule.enabled=true",
    "metrics.dashboard.enabled=true",
)

OWN_NAMESPACES = {NAMESPACE, f"{NAMESPACE}-authority"}


def kinds(objects: list[dict[str, Any]]) -> set[str]:
    return {each["kind"] for each in objects}


def test_by_default_there_are_operator_hub_and_front_door_with_their_permissions_and_the_api(helm: Helm) -> None:
    assert kinds(helm.objects()) == {
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "CustomResourceDefinition",
        "Deployment",
        "Namespace",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }


def test_every_namespaced_object_names_its_namespace(helm: Helm) -> None:
    without = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"}
    without |= {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    for each in helm.objects("operator.podDisruptionBudget.enabled=true", *MONITORED):
        namespaces = {None} if each["kind"] in without else {NAMESPACE, f"{NAMESPACE}-authority"}
        assert each["metadata"].get("namespace") in namespaces


def test_releases_in_two_namespaces_have_only_the_mark_of_the_cluster_in_common(helm: Helm) -> None:
    """Helm refuses the second release because of it."""
    one, two = (helm.objects("crds.enabled=false", namespace=namespace) for namespace in ("one", "two"))

    def names(objects: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
        return {(each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]) for each in objects}

    assert names(one) & names(two) == {("ClusterRole", "", "fedjobs.dev:federation")}


def test_images_come_from_the_configured_registry(helm: Helm) -> None:
    spec = pod(helm.objects("image.registry=registry.example/team", "image.tag=2.0", "image.pullPolicy=Always"))
    [container] = spec["containers"]
    assert container["image"] == "registry.example/team/fedjobs-operator:2.0"
    assert container["imagePullPolicy"] == "Always"
    assert "--coordinator-image=registry.example/team/fedjobs-coordinator:2.0" in container["args"]
    assert "--image-pull-policy=Always" in container["args"]


def test_the_default_tag_is_the_charts_release(helm: Helm) -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert pod(helm.objects())["containers"][0]["image"].endswith(f":{version}")


def test_the_pod_has_the_image_pull_secrets(helm: Helm) -> None:
    assert pod(helm.objects("imagePullSecrets[0].name=registry"))["imagePullSecrets"] == [{"name": "registry"}]


def test_a_whole_cluster_needs_a_cluster_role(helm: Helm) -> None:
    objects = helm.objects()
    assert not any(arg.startswith("--watch-namespace=") for arg in pod(objects)["containers"][0]["args"])
    assert {each["metadata"]["namespace"] for each in of_kind(objects, "Role")} == OWN_NAMESPACES


@pytest.mark.parametrize("name", [OPERATOR, HUB])
def test_some_namespaces_need_a_role_in_each(helm: Helm, name: str) -> None:
    clusterwide = of_kind(part(helm.objects(), name), "ClusterRole")
    [everywhere] = [each for each in clusterwide if each["metadata"]["name"].endswith("jobs")]
    objects = part(helm.objects("watchNamespaces={a,b}"), name)
    roles = {each["metadata"]["namespace"]: each for each in of_kind(objects, "Role")}
    assert roles.keys() - OWN_NAMESPACES == {"a", "b"}
    assert roles["a"]["rules"] == roles["b"]["rules"] == everywhere["rules"]
    args = pod(objects, name)["containers"][0]["args"]
    assert {"--watch-namespace=a", "--watch-namespace=b"} <= set(args)


def test_silos_belong_to_no_namespace(helm: Helm) -> None:
    [silos] = of_kind(part(helm.objects("watchNamespaces={a,b}"), OPERATOR), "ClusterRole")
    [rule] = [rule for rule in silos["rules"] if rule["resources"] == ["silos"]]
    assert rule == {"apiGroups": ["fedjobs.dev"], "resources": ["silos"], "verbs": ["list", "watch"]}


@pytest.mark.parametrize("keep", [True, False])
def test_definitions_are_those_of_the_project_kept_or_not(helm: Helm, keep: bool) -> None:
    rendered = {
        each["metadata"]["name"]: each
        for each in of_kind(helm.objects(f"crds.keep={json.dumps(keep)}"), "CustomResourceDefinition")
    }
    for name in ("federatedjobs", "silos"):
        wanted = yaml.safe_load((CRDS / f"{name}.yaml").read_text())
        if keep:
            wanted["metadata"]["annotations"] = KEPT
        assert rendered[f"{name}.fedjobs.dev"] == wanted


def test_the_policy_is_that_of_the_project(helm: Helm) -> None:
    wanted = list(yaml.safe_load_all((CRDS / "requested-by-policy.yaml").read_text()))
    assert [each for each in helm.objects() if each["kind"].startswith("ValidatingAdmission")] == wanted


def test_definitions_can_be_left_out(helm: Helm) -> None:
    found = kinds(helm.objects("crds.enabled=false"))
    assert not {"CustomResourceDefinition", "ValidatingAdmissionPolicy"} & found


def test_every_file_of_the_api_is_in_the_chart(helm: Helm) -> None:
    wanted = {each["metadata"]["name"] for file in CRDS.glob("*.yaml") for each in yaml.safe_load_all(file.read_text())}
    assert wanted <= {each["metadata"]["name"] for each in helm.objects()}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("metrics.serviceMonitor.enabled", {"Service", "ServiceMonitor", "PodMonitor"}),
        ("metrics.prometheusRule.enabled", {"PrometheusRule"}),
        ("metrics.dashboard.enabled", {"ConfigMap"}),
        ("operator.podDisruptionBudget.enabled", {"PodDisruptionBudget"}),
    ],
)
def test_optional_objects_can_be_enabled(helm: Helm, value: str, kind: set[str]) -> None:
    before = {_named(each) for each in helm.objects()}
    assert {each["kind"] for each in helm.objects(f"{value}=true") if _named(each) not in before} == kind


@pytest.mark.parametrize(("name", "values"), [(HUB, "hub"), (FRONT_DOOR, "frontDoor")])
def test_a_drain_evicts_one_pod_at_a_time(helm: Helm, name: str, values: str) -> None:
    [budget] = of_kind(part(helm.objects(), name), "PodDisruptionBudget")
    [deployment] = of_kind(part(helm.objects(), name), "Deployment")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]
    for setting in (f"{values}.replicaCount=1", f"{values}.podDisruptionBudget.enabled=false"):
        assert of_kind(part(helm.objects(setting), name), "PodDisruptionBudget") == []


def _named(each: Object) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


@pytest.mark.parametrize("name", [OPERATOR, HUB])
def test_prometheus_finds_the_metrics_of_operator_and_hub_and_may_scrape_them(helm: Helm, name: str) -> None:
    objects = part(helm.objects("metrics.serviceMonitor.enabled=true"), name)
    [monitor], [policy] = of_kind(objects, "ServiceMonitor"), of_kind(objects, "NetworkPolicy")
    [endpoint] = monitor["spec"]["endpoints"]
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    [(service, port)] = [
        (service, port)
        for service in of_kind(objects, "Service")
        for port in service["spec"]["ports"]
        if selected <= service["metadata"]["labels"].items() and port["name"] == endpoint["port"]
    ]
    [deployment] = of_kind(objects, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= labels
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    [number] = [each["containerPort"] for each in container["ports"] if each["name"] == port["targetPort"]]
    assert f"--metrics-bind-address=0.0.0.0:{number}" in container["args"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels
    assert port["targetPort"] in [each["port"] for rule in policy["spec"]["ingress"] for each in rule["ports"]]


def test_the_service_for_silos_has_no_port_for_metrics(helm: Helm) -> None:
    objects = helm.objects("metrics.serviceMonitor.enabled=true")
    [service] = [each for each in of_kind(objects, "Service") if each["metadata"]["name"] == "fedjobs-hub"]
    assert {port["name"] for port in service["spec"]["ports"]} == {"hub", "enrolment"}


@pytest.mark.parametrize("release", ["fedjobs-" + "a" * 45, "a" * 53])
def test_the_longest_name_of_a_release_is_short_enough_for_every_service(helm: Helm, release: str) -> None:
    services = of_kind(helm.objects("metrics.serviceMonitor.enabled=true", release=release), "Service")
    assert not [each["metadata"]["name"] for each in services if len(each["metadata"]["name"]) > 63]


@pytest.mark.parametrize("name", [OPERATOR, HUB, FRONT_DOOR])
def test_every_component_runs_unprivileged_with_a_read_only_file_system(helm: Helm, name: str) -> None:
    spec = pod(helm.objects(), name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    [container] = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_pod_has_the_configured_scheduling_and_resources(helm: Helm) -> None:
    spec = pod(
        helm.objects(
            "operator.nodeSelector.disk=ssd",
            "operator.tolerations[0].key=apart",
            "operator.tolerations[0].operator=Exists",
            "operator.resources.requests.cpu=1",
        )
    )
    assert spec["nodeSelector"] == {"disk": "ssd"}
    assert spec["tolerations"] == [{"key": "apart", "operator": "Exists"}]
    assert spec["containers"][0]["resources"]["requests"]["cpu"] == 1


@pytest.mark.parametrize(("name", "value"), [(OPERATOR, "operator"), (HUB, "hub")])
def test_operator_and_hub_support_the_usual_values_of_helm_charts(helm: Helm, name: str, value: str) -> None:
    settings = (
        "podAnnotations.a=b",
        "serviceAccount.annotations.c=d",
        "affinity.podAntiAffinity.e=f",
        "extraEnv[0].name=TZ",
    )
    objects = part(helm.objects(*(f"{value}.{setting}" for setting in settings)), name)
    [deployment], [account] = of_kind(objects, "Deployment"), of_kind(objects, "ServiceAccount")
    assert deployment["spec"]["template"]["metadata"]["annotations"] == {"a": "b"}
    assert account["metadata"]["annotations"] == {"c": "d"}
    spec = pod(objects, name)
    assert spec["affinity"] == {"podAntiAffinity": {"e": "f"}}
    assert spec["containers"][0]["env"] == [{"name": "TZ"}]


@pytest.mark.parametrize(
    ("release", "settings", "operator", "hub"),
    [
        ("fedjobs", (), "fedjobs-operator", "fedjobs-hub"),
        ("fedjobs-operator", (), "fedjobs-operator", "fedjobs-operator-hub"),
        ("team", (), "team-fedjobs-operator", "team-fedjobs-hub"),
        ("team", ("nameOverride=fl",), "team-fl-operator", "team-fl-hub"),
        ("team", ("fullnameOverride=federation",), "federation-operator", "federation-hub"),
    ],
)
def test_names_begin_with_the_release_or_its_override(
    helm: Helm, release: str, settings: tuple[str, ...], operator: str, hub: str
) -> None:
    objects = helm.objects(*settings, release=release)
    assert {each["metadata"]["name"] for each in of_kind(objects, "Deployment")} >= {operator, hub}
    assert f"--operator-service-account={operator}" in pod(objects, HUB)["containers"][0]["args"]
