"""A real Prometheus scrapes the operator, a coordinator and a worker while a job runs."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.clusters import Cluster
from tests.cluster.environments import without_proxies
from tests.cluster.readiness import wait_until
from tests.e2e.federations import FEW, Federation, a_job
from tests.e2e.installations import OPERATOR_NAMESPACE
from tests.sockets import free_ports

PORT = 9090


def test_prometheus_sees_operator_coordinator_and_worker(federation: Federation, tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.fail("prometheus is missing: apt-get install prometheus")
    name = federation.apply(a_job("measured"))
    federation.wait_for_round(name, 1)
    coordinators = federation.pods(f"fedjobs.dev/job={name},app.kubernetes.io/component=coordinator")
    pods = {
        "operator": operator(federation.cluster),
        "worker": federation.worker_pod(name, FEW[0]),
        "coordinator": coordinators[0],
    }

    with proxy(federation.cluster) as address, running_prometheus(address, pods, tmp_path) as query:
        for promql in (
            'fedjobs_jobs{phase="Running"}',
            'fedjobs_operator_reconciles_total{result="success"}',
            "fedjobs_operator_reconcile_duration_seconds_bucket",
            "fedjobs_coordinator_rounds_total",
            "fedjobs_coordinator_round_duration_seconds_count",
            'fedjobs_coordinator_bytes_total{direction="up"}',
            "fedjobs_coordinator_generation",
            'fedjobs_worker_bytes_total{direction="down"}',
            "fedjobs_worker_work_item_duration_seconds_count",
        ):
            wait_until(promql, functools.partial(_is_positive, query, promql), seconds=60)
            print(f"{promql} {query(promql):g}")  # noqa: T201
    federation.delete(name)


def _is_positive(query: Callable[[str], float], promql: str) -> bool:
    return query(promql) > 0


def operator(cluster: Cluster) -> dict[str, Any]:
    """Returns the operator's pod."""
    selector = ("--selector=app.kubernetes.io/component=operator", "-o", "json")
    pods = json.loads(cluster.kubectl("get", "pods", f"--namespace={OPERATOR_NAMESPACE}", *selector))["items"]
    return next(pod for pod in pods if pod["status"]["phase"] == "Running")


@contextmanager
def proxy(cluster: Cluster) -> Iterator[str]:
    """Runs `kubectl proxy` and yields its address. Prometheus reaches pods through it where this machine cannot."""
    command = [str(cluster.kubectl.program), f"--kubeconfig={cluster.kubeconfig}", "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=without_proxies()) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().rpartition(" ")[2].strip()  # Starting to serve on 127.0.0.1:PORT
        finally:
            process.terminate()


@contextmanager
def running_prometheus(address: str, pods: dict[str, dict[str, Any]], folder: Path) -> Iterator[Callable[[str], float]]:
    """Starts a Prometheus and yields a function that runs a query and returns the sum of the values it found."""
    jobs = [
        {
            "job_name": what,
            "scrape_interval": "1s",
            "metrics_path": "/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy/metrics".format(
                **pod["metadata"], port=PORT
            ),
            "static_configs": [{"targets": [address]}],
        }
        for what, pod in pods.items()
    ]
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump({"scrape_configs": jobs}))
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    arguments = [
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = subprocess.Popen(["prometheus", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def query(promql: str) -> float:
        try:
            with urllib.request.urlopen(f"{url}/api/v1/query?query={urllib.parse.quote(promql)}", timeout=10) as answer:  # noqa: S310
                found = json.load(answer)["data"]["result"]
        except OSError:
            return 0  # Prometheus is not ready yet
        return sum(float(each["value"][1]) for each in found)

    try:
        yield query
    finally:
        process.terminate()
        process.wait(30)
