"""A real API server accepts the chart, and an operator works with exactly the chart's permissions."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.helm.charts import CHART, FRONT_DOOR, HOST, HUB, OPERATOR, RELEASE, Helm, of_kind, part

pytestmark = pytest.mark.api_server

ROOT = CHART.parents[1]
CRDS = [str(ROOT / "crds" / f"{name}.yaml") for name in ("federatedjobs", "silos")]
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
OF_PROMETHEUS = "monitoring.coreos.com/v1"
SILOS = ("hospital-a", "hospital-b")
RUNS = {"Job", "Service", "ConfigMap", "NetworkPolicy", "PersistentVolumeClaim", "Event"}


@pytest.fixture
def strict_namespace(api_server: ApiServer, api_namespace: str) -> str:
    """A namespace that enforces the restricted standard."""
    labels = [f"{name}={value}" for name, value in RESTRICTED.items()]
    api_server.kubectl("label", "namespace", api_namespace, *labels)
    return api_namespace


@pytest.mark.parametrize(
    "settings",
    [
        (),
        (
            "metrics.serviceMonitor.enabled=true",
            "metrics.dashboard.enabled=true",
            "operator.podDisruptionBudget.enabled=true",
        ),
        ("watchNamespaces={default}", "crds.keep=false", "image.tag=v1", "imagePullSecrets[0].name=one"),
    ],
    ids=["defaults", "everything", "one namespace"],
)
def test_it_is_accepted_in_a_restricted_namespace(
    api_server: ApiServer, strict_namespace: str, helm: Helm, settings: tuple[str, ...]
) -> None:
    api_server.kubectl("create", "namespace", f"{strict_namespace}-authority")  # a dry run creates no namespace
    objects = [
        each for each in helm.objects(*settings, namespace=strict_namespace) if each["apiVersion"] != OF_PROMETHEUS
    ]
    done = api_server.kubectl.run(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump_all(objects)
    )
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("Warning")]
    # Another test of this API server may have created the CRDs without kubectl's annotation.
    assert [each for each in warnings if "last-applied-configuration" not in each] == []
    assert len(done.stdout.splitlines()) == len(objects)


@pytest.mark.parametrize("name", [OPERATOR, HUB, FRONT_DOOR])
def test_the_pod_itself_is_admitted_in_a_restricted_namespace(
    api_server: ApiServer, strict_namespace: str, helm: Helm, name: str
) -> None:
    objects = part(helm.objects(namespace=strict_namespace), name)
    [deployment] = of_kind(objects, "Deployment")
    template = deployment["spec"]["template"]
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
    pod["metadata"] = {"name": name, "namespace": strict_namespace, "labels": template["metadata"]["labels"]}
    accounts = ["default", *(each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount"))]
    for account in accounts:
        made: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount"}
        made["metadata"] = {"name": account, "namespace": strict_namespace}
        api_server.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(made))
    shown = api_server.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))
    assert f"pod/{name} created" in shown


@pytest.mark.parametrize("everywhere", [True, False], ids=["the whole cluster", "one namespace"])
def test_the_permissions_are_what_the_operator_needs(
    api_server: ApiServer, api_namespace: str, helm: Helm, tmp_path: Path, everywhere: bool
) -> None:
    own, user = f"{api_namespace}-operator", f"system:serviceaccount:{api_namespace}-operator:{RELEASE}-operator"
    kubectl = api_server.kubectl
    for namespace in (own, f"{own}-authority"):
        kubectl("create", "namespace", namespace)
    kubectl("apply", *(part for file in CRDS for part in ("-f", file)))
    kubectl("wait", "--for=condition=Established", "--timeout=60s", *(part for file in CRDS for part in ("-f", file)))
    settings = [] if everywhere else [f"watchNamespaces={{{api_namespace}}}"]
    rights = [each for each in helm.objects(*settings, namespace=own) if each["apiVersion"].startswith("rbac.")]
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rights))
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([_silo(name) for name in SILOS]))
    try:
        wait_until(
            "the API server applies the role",
            lambda: kubectl.run("auth", "can-i", "list", "silos", f"--as={user}").returncode == 0,
        )
        watched = () if everywhere else (f"--watch-namespace={api_namespace}",)
        with _operator(api_server.kubeconfig_as(user), tmp_path / "operator.log", own, *watched) as process:
            kubectl("apply", f"--namespace={api_namespace}", "-f", "-", stdin=yaml.safe_dump(_job("digits")))

            def seen(kind: str) -> bool:
                return bool(_names(api_server, kind, api_namespace))

            def ended() -> str | None:
                return None if process.poll() is None else (tmp_path / "operator.log").read_text()[-2000:]

            for kind in sorted(RUNS):
                wait_until(f"the job has a {kind}", functools.partial(seen, kind), broken=ended)
            change = json.dumps({"spec": {"suspend": True}})
            kubectl("patch", "federatedjob", "digits", f"--namespace={api_namespace}", "--type=merge", "-p", change)
            wait_until("the coordinator is suspended", lambda: _is_suspended(api_server, api_namespace), broken=ended)
    finally:
        kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all([*rights, *[_silo(name) for name in SILOS]]))
    refused = [
        (e["verb"], e["requestURI"]) for e in _api_calls(api_server, user) if e["responseStatus"].get("code") == 403
    ]
    assert refused == []


def _names(server: ApiServer, kind: str, namespace: str) -> list[str]:
    return server.kubectl("get", kind, f"--namespace={namespace}", "-o", "name", "--ignore-not-found").split()


def _is_suspended(server: ApiServer, namespace: str) -> bool:
    return (
        server.kubectl("get", "jobs", f"--namespace={namespace}", "-o", "jsonpath={.items[*].spec.suspend}") == "true"
    )


def _api_calls(server: ApiServer, user: str) -> list[dict[str, Any]]:
    events = map(json.loads, server.audit_log.read_text().splitlines())
    return [event for event in events if event["user"]["username"] == user and "responseStatus" in event]


def _silo(name: str) -> dict[str, Any]:
    return {"apiVersion": "fedjobs.dev/v1alpha1", "kind": "Silo", "metadata": {"name": name}, "spec": {}}


def _job(name: str) -> dict[str, Any]:
    job: dict[str, Any] = yaml.safe_load((ROOT / "examples/digits/job.yaml").read_text())
    job["metadata"]["name"] = name
    job["spec"]["silos"] = {"names": list(SILOS)}
    job["spec"]["cohort"] = {"minSilos": 2, "goalSilos": 2}
    return job


@contextmanager
def _operator(kubeconfig: Path, log: Path, own: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the operator as a process with this user's permissions."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        health = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        sys.executable,
        "-m",
        "fedjobs_operator",
        f"--namespace={own}",
        f"--authority-namespace={own}-authority",
        "--coordinator-image=none",
    ]
    command += [
        f"--front-door-host={HOST}",
        f"--front-door-address={HOST}:443",
        "--hub-address=127.0.0.1:1",
    ]  # there is no hub, and the operator works without it
    command += ["--metrics-bind-address=127.0.0.1:0", f"--health-probe-bind-address={health}", *arguments]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, stdout=file, env=os.environ | {"KUBECONFIG": str(kubeconfig)})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
