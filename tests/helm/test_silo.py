"""The silo's chart: few values and permissions, and a real API server accepts it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fedjobs_agent.config import AgentConfig
from fedjobs_worker.silo_files import SiloFile

from tests.cluster.api_servers import ApiServer
from tests.helm.charts import Helm, HelmError, of_kind, rules

CHART = Path(__file__).parents[2] / "helm/fedjobs-silo"
EXAMPLES = CHART.parents[1] / "examples/cluster"
NEEDED = (
    "silo=hospital-a",
    "token=fedjobs1.abc",
    "datasets.digits.source.csv.path=/data/*.csv",
    "data.volume.persistentVolumeClaim.claimName=records",
    "image.registry=registry.example/team",
)
Object = dict[str, Any]


def rendered(helm: Helm, *settings: str, namespace: str = "fedjobs-silo", files: tuple[str, ...] = ()) -> list[Object]:
    sets = [part for setting in ("silo=hospital-a", *settings) for part in ("--set", setting)]
    values = [part for file in files for part in ("--values", file)]
    command = ["template", "fedjobs-silo", str(CHART), f"--namespace={namespace}", "--kube-version=1.34"]
    return [each for each in yaml.safe_load_all(helm(*command, *values, *sets)) if each]


def config_map(objects: list[Object]) -> tuple[AgentConfig, SiloFile]:
    [found] = of_kind(objects, "ConfigMap")
    data = found["data"]
    return (
        AgentConfig.model_validate(yaml.safe_load(data["agent.yaml"])),
        SiloFile.model_validate(yaml.safe_load(data["silo.yaml"])),
    )


def agent(objects: list[Object]) -> Object:
    [deployment] = of_kind(objects, "Deployment")
    spec: Object = deployment["spec"]["template"]["spec"]
    return spec


def test_the_chart_is_well_formed(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "--set", "silo=hospital-a")


def test_five_values_are_enough(helm: Helm) -> None:
    objects = rendered(helm, *NEEDED[1:4], NEEDED[4], "datasets.digits.features.columns={a,b}")
    config, silo = config_map(objects)
    assert config.image == "registry.example/team/fedjobs-worker:0.1.0"
    assert config.data is not None
    assert silo.datasets["digits"].source.csv is not None


def test_a_silos_own_file_is_a_values_file(helm: Helm, tmp_path: Path) -> None:
    file = tmp_path / "silo.yaml"
    file.write_text(
        "silo: hospital-a\n"
        "datasets: {digits: {source: {npz: {path: /data/x.npz}}, features: {columns: [a]}, label: digit}}\n"
        "policy: {minClients: 5, limits: {uploadBytesPerDay: 10000000000}}\n"
    )
    _, silo = config_map(rendered(helm, files=(str(file),)))
    assert silo.policy.min_clients == 5
    assert silo.policy.limits.upload_bytes_per_day == 10**10  # Helm must not write 1e+10
    assert silo.datasets["digits"].label is not None


def test_the_schema_is_that_of_the_models() -> None:
    script = CHART.parent / "silo_values.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


_PREFERRED = "agent.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]"
_TERM = "preference.matchExpressions[0]"
USUAL = (
    "imagePullSecrets[0].name=registry",
    "agent.podAnnotations.example\\.org/team=ml",
    "agent.serviceAccount.annotations.example\\.org/role=silo",
    *(f"{_PREFERRED}.{each}" for each in ("weight=1", f"{_TERM}.key=zone", f"{_TERM}.operator=Exists")),
    "agent.extraEnv[0].name=TZ",
    "agent.extraEnv[0].value=UTC",
)


def test_the_agent_supports_the_usual_values_of_helm_charts(helm: Helm) -> None:
    objects = rendered(helm, *USUAL, "fullnameOverride=silo-a")
    [deployment] = of_kind(objects, "Deployment")
    template = deployment["spec"]["template"]
    assert template["metadata"]["annotations"]["example.org/team"] == "ml"
    assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert "nodeAffinity" in template["spec"]["affinity"]
    assert {"name": "TZ", "value": "UTC"} in template["spec"]["containers"][0]["env"]
    [account] = of_kind(objects, "ServiceAccount")
    assert account["metadata"]["annotations"] == {"example.org/role": "silo"}
    assert {deployment["metadata"]["name"], account["metadata"]["name"]} == {"silo-a"}
    config, _ = config_map(objects)
    assert config.image_pull_secrets == [{"name": "registry"}]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("silo=Hospital", "at '/silo'"),
        ("silo=null", "at '/silo': got null, want string"),
        ("dataset.x=1", "additional properties 'dataset' not allowed"),
        ("datasets.d.source.csv.file=x", "additional properties 'file' not allowed"),
        ("policy.minClient=3", "additional properties 'minClient' not allowed"),
        ("token=abc", "at '/token'"),
        ("dialAddress=fedjobs.example.org", "at '/dialAddress'"),
        ("proxy.url=https://proxy", "at '/proxy/url'"),
        ("proxy.url=http://me:secret@proxy:3128", "at '/proxy/url'"),
        ("image.pullPolicy=Sometimes", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
        ("audit.persistence.size=much", "at '/audit/persistence/size'"),
        ("replicas=2", "additional properties 'replicas' not allowed"),
    ],
)
def test_invalid_values_are_refused_and_named(helm: Helm, setting: str, words: str) -> None:
    with pytest.raises(HelmError, match=re.escape(words)):
        rendered(helm, setting)


@pytest.mark.parametrize("name", yaml.safe_load((CHART / "values.yaml").read_text()))
def test_each_value_is_documented_in_place(name: str) -> None:
    assert re.search(rf"^#.*\n{name}:", (CHART / "values.yaml").read_text(), re.MULTILINE)


def test_the_agent_has_few_permissions_and_in_its_own_namespace_only(helm: Helm) -> None:
    objects = rendered(helm)
    assert not of_kind(objects, "ClusterRole")
    assert not of_kind(objects, "ClusterRoleBinding")
    for rule in rules(objects):
        assert not any("*" in each for part in ("apiGroups", "resources", "verbs") for each in rule[part])
    reading = [r for r in rules(objects) if "secrets" in r["resources"] and {"get", "list", "watch"} & set(r["verbs"])]
    assert [(r["resourceNames"], r["verbs"]) for r in reading] == [(["fedjobs-identity"], ["get", "update"])]
    assert {r for rule in rules(objects) for r in rule["resources"]} == {
        "jobs", "pods", "events", "pods/log", "secrets", "deployments",
    }  # fmt: skip


def test_there_are_no_inbound_connections_and_outbound_ones_use_one_port(helm: Helm) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(rendered(helm), "NetworkPolicy")}
    assert policies["fedjobs-silo-ingress"] == {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": []}
    out = policies["fedjobs-silo-egress"]
    assert out["podSelector"] == {}
    ports = [port["port"] for rule in out["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 443]


@pytest.mark.parametrize(
    ("setting", "port"),
    [
        ("networkPolicy.frontDoorPort=8443", 8443),
        ("dialAddress=10.0.0.1:30443", 30443),
        ("proxy.url=http://proxy.example:3128", 3128),
        ("proxy.url=http://proxy.example", 80),
    ],
)
def test_the_port_is_that_of_the_address(helm: Helm, setting: str, port: int) -> None:
    [out] = [e for e in of_kind(rendered(helm, setting), "NetworkPolicy") if e["metadata"]["name"].endswith("-egress")]
    assert out["spec"]["egress"][1] == {"ports": [{"protocol": "TCP", "port": port}]}


def test_agent_and_workers_use_the_proxy(helm: Helm) -> None:
    objects = rendered(helm, "proxy.url=http://proxy.example:3128", "proxy.noProxy=minio.local")
    environment = agent(objects)["containers"][0]["env"]
    assert {"name": "https_proxy", "value": "http://proxy.example:3128"} in environment
    config, _ = config_map(objects)
    assert config.proxy is not None
    assert (config.proxy.url, config.proxy.no_proxy) == ("http://proxy.example:3128", "minio.local")


def test_a_token_may_come_from_an_existing_secret(helm: Helm) -> None:
    objects = rendered(helm, "existingSecret=mine")
    assert of_kind(objects, "Secret") == []
    [volume] = [v for v in agent(objects)["volumes"] if v["name"] == "token"]
    assert (volume["secret"]["secretName"], volume["secret"]["optional"]) == ("mine", True)


def test_the_token_is_in_a_secret_and_nowhere_else(helm: Helm) -> None:
    objects = rendered(helm, "token=fedjobs1.abc")
    assert [each["kind"] for each in objects if "fedjobs1.abc" in json.dumps(each)] == ["Secret"]


def test_the_audit_log_outlives_the_release_or_is_deleted(helm: Helm) -> None:
    [claim] = of_kind(rendered(helm), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    objects = rendered(helm, "audit.persistence.enabled=false")
    assert of_kind(objects, "PersistentVolumeClaim") == []
    assert {"name": "audit", "emptyDir": {}} in agent(objects)["volumes"]


@pytest.mark.parametrize("silo", ["hospital-a", "hospital-b", "hospital-c", "hospital-d"])
def test_the_examples_are_valid_values(helm: Helm, silo: str) -> None:
    config, file = config_map(rendered(helm, f"silo={silo}", files=(str(EXAMPLES / f"{silo}.yaml"),)))
    assert (config.silo, file.silo) == (silo, silo)
    assert set(file.datasets) == {"digits", "digits-test"}


@pytest.mark.api_server
@pytest.mark.parametrize(
    "settings",
    [
        (),
        (
            "networkPolicy.allowMetrics=true",
            "proxy.url=http://proxy.example:3128",
            "audit.persistence.enabled=false",
            *USUAL,
        ),
    ],
    ids=["defaults", "everything"],
)
def test_it_is_accepted_in_a_restricted_namespace(
    api_server: ApiServer, api_namespace: str, helm: Helm, settings: tuple[str, ...]
) -> None:
    labels = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    api_server.kubectl("label", "namespace", api_namespace, *labels)
    objects = rendered(
        helm,
        "token=fedjobs1.abc",
        "data.volume.persistentVolumeClaim.claimName=records",
        "networkPolicy.workerEgress[0].ports[0].port=9000",
        *settings,
        namespace=api_namespace,
    )
    done = api_server.kubectl.run(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump_all(objects)
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert len(done.stdout.splitlines()) == len(objects)


def test_the_runtime_class_of_the_workers_is_a_value(helm: Helm) -> None:
    assert config_map(rendered(helm))[0].runtime_class_name is None
    assert config_map(rendered(helm, "worker.runtimeClassName=gvisor"))[0].runtime_class_name == "gvisor"
