"""Properties of pods that the restricted standard does not require. The namespaces enforce that standard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.federations import FEW, Federation, a_job

FILTERS = """
import pathlib
for status in pathlib.Path("/proc").glob("[0-9]*/status"):
    about = dict(line.split(":\\t", 1) for line in status.read_text().splitlines() if ":\\t" in line)
    print(about["Pid"], about["PPid"], about["NoNewPrivs"], about["Seccomp_filters"], about["CapEff"])
"""


@pytest.fixture(scope="module")
def job(federation: Federation) -> Iterator[str]:
    name = federation.apply(a_job("looked-at"))
    federation.wait_for_round(name, 1)
    yield name
    federation.delete(name)


def test_no_pod_of_a_job_can_call_kubernetes_or_write_outside_its_volumes(federation: Federation, job: str) -> None:
    pods = federation.pods_of(job)
    assert len(pods) == 1 + len(FEW)
    for pod in pods:
        spec = pod["spec"]
        is_worker = pod["metadata"]["labels"]["app.kubernetes.io/component"] == "worker"
        assert spec["automountServiceAccountToken"] is False
        assert audiences(spec) == ([] if is_worker else ["fedjobs-hub"])
        for container in containers(spec):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["resources"]["requests"]
            assert not [entry for entry in container.get("env", ()) if "secretKeyRef" in str(entry)]


def test_the_runner_sees_neither_keys_nor_data(federation: Federation, job: str) -> None:
    spec = federation.worker_pod(job, FEW[0])["spec"]
    session = next(c for c in spec["containers"] if c["name"] == "session")
    runner = next(c for c in spec["initContainers"] if c["name"] == "runner")
    private = {v["name"] for v in spec["volumes"] if "secret" in v or v["name"] == "data"}
    assert private <= {mount["name"] for mount in session["volumeMounts"]}
    assert not private & {mount["name"] for mount in runner["volumeMounts"]}
    users = [c["securityContext"]["runAsUser"] for c in (session, runner)]
    assert users[0] != users[1]


def test_a_runner_that_computes_has_no_network_access(federation: Federation, job: str) -> None:
    """The filters of the host and of the runner add to the container's. tests/worker tests what they refuse."""
    pod = federation.worker_pod(job, FEW[0])["metadata"]["name"]
    printed = federation.sites[FEW[0]].kubectl("exec", pod, "-c", "runner", "--", "python", "-c", FILTERS)
    processes = {int(pid): fields for pid, *fields in (line.split() for line in printed.splitlines())}
    keeper = processes[1]
    runners = [fields for fields in processes.values() if int(fields[2]) == int(keeper[2]) + 2]
    assert runners
    for _, no_new_privileges, _, capabilities in runners:
        assert no_new_privileges == "1"
        assert int(capabilities, 16) == 0


def audiences(spec: dict[str, Any]) -> list[str]:
    """Returns the audiences of the mounted tokens. A token without an audience is for the API server."""
    projected = [source for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", ())]
    tokens = [source["serviceAccountToken"] for source in projected if "serviceAccountToken" in source]
    return [token.get("audience", "kubernetes") for token in tokens]


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec["containers"], *spec.get("initContainers", ())]
