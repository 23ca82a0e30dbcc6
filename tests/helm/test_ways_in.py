"""Ways to reach the front door: its own Service, a Gateway, or a front door outside the chart."""

from __future__ import annotations

import pytest
import yaml

from tests.helm.charts import CHART, FRONT_DOOR, HOST, HUB, NAMESPACE, RELEASE, Helm, Object, of_kind, part

GATEWAY = ("frontDoor.gateway.name=public", "frontDoor.gateway.namespace=gateways", "frontDoor.gateway.sectionName=tls")


def service(objects: list[Object]) -> Object:
    """Returns the Service of the front door."""
    [found] = of_kind(part(objects, FRONT_DOOR), "Service")
    return found


def test_by_default_there_is_one_port_for_everything(helm: Helm) -> None:
    spec = service(helm.objects())["spec"]
    assert spec["type"] == "LoadBalancer"
    assert [(port["port"], port["targetPort"]) for port in spec["ports"]] == [(443, "tls")]


def test_a_node_port_can_be_configured(helm: Helm) -> None:
    spec = service(helm.objects("frontDoor.service.type=NodePort", "frontDoor.service.nodePort=30443"))["spec"]
    assert (spec["type"], spec["ports"][0]["nodePort"]) == ("NodePort", 30443)


def test_an_ingress_controller_that_passes_tls_through_finds_a_service_and_its_annotations(helm: Helm) -> None:
    annotation = "frontDoor.service.annotations.example\\.org/passthrough=yes"
    found = service(helm.objects("frontDoor.service.type=ClusterIP", annotation))
    assert found["spec"]["type"] == "ClusterIP"
    assert found["metadata"]["annotations"] == {"example.org/passthrough": "yes"}


def test_a_gateway_has_one_route_for_all_names(helm: Helm) -> None:
    objects = helm.objects("frontDoor.service.type=ClusterIP", *GATEWAY)
    [route] = of_kind(objects, "TLSRoute")
    assert route["metadata"]["namespace"] == NAMESPACE
    assert route["spec"]["hostnames"] == [HOST, f"*.{HOST}"]
    assert route["spec"]["parentRefs"] == [{"name": "public", "namespace": "gateways", "sectionName": "tls"}]
    [backend] = route["spec"]["rules"][0]["backendRefs"]
    [port] = service(objects)["spec"]["ports"]
    assert (backend["name"], backend["port"]) == (service(objects)["metadata"]["name"], port["port"])


@pytest.mark.parametrize("version", ["v1", "v1alpha2"])
def test_the_route_of_a_gateway_has_a_version_that_the_cluster_knows(helm: Helm, version: str) -> None:
    known = f"gateway.networking.k8s.io/{version}"
    settings = [part for value in (f"frontDoor.host={HOST}", *GATEWAY) for part in ("--set", value)]
    text = helm("template", RELEASE, str(CHART), "--kube-version=1.34", f"--api-versions={known}/TLSRoute", *settings)
    [route] = of_kind([each for each in yaml.safe_load_all(text) if each], "TLSRoute")
    assert route["apiVersion"] == known


def test_without_the_charts_front_door_the_hub_has_the_ports_to_route_to(helm: Helm) -> None:
    objects = helm.objects("frontDoor.enabled=false")
    assert part(objects, FRONT_DOOR) == []
    [hub] = of_kind(part(objects, HUB), "Service")
    assert [port["port"] for port in hub["spec"]["ports"]] == [8443, 8444]


def test_the_service_can_keep_the_addresses_of_clients(helm: Helm) -> None:
    """Then the limit of connections applies to each client, and not to all clients behind a node."""
    value = "frontDoor.service.externalTrafficPolicy=Local"
    assert service(helm.objects(value))["spec"]["externalTrafficPolicy"] == "Local"
    assert "externalTrafficPolicy" not in service(helm.objects())["spec"]
    assert "externalTrafficPolicy" not in service(helm.objects(value, "frontDoor.service.type=ClusterIP"))["spec"]
