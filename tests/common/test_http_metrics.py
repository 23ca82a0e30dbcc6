"""Metrics and health over plain HTTP, for Prometheus and kubelets."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.http_metrics import MetricsServer
from prometheus_client import CollectorRegistry, Counter


class _Process:
    def __init__(self) -> None:
        self.well = True
        registry = CollectorRegistry()
        Counter("rounds", "Finished rounds.", registry=registry).inc(3)
        self.server = MetricsServer("127.0.0.1:0", registry, lambda: self.well)

    def get(self, path: str, accept: str = "*/*") -> tuple[int, str, str]:
        url = f"http://127.0.0.1:{self.server.port}{path}"
        request = urllib.request.Request(url, headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                return response.status, response.headers["Content-Type"], response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture
def process() -> Iterator[_Process]:
    process = _Process()
    yield process
    process.server.close()


def test_prometheus_gets_the_metrics(process: _Process) -> None:
    status, kind, body = process.get("/metrics?name[]=all")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert "rounds_total 3.0" in body


def test_openmetrics_is_served_on_request(process: _Process) -> None:
    _, kind, body = process.get("/metrics", "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_health_is_what_the_process_reports(process: _Process) -> None:
    assert process.get("/healthz")[0] == 200
    process.well = False
    assert process.get("/healthz")[0] == 503


def test_other_paths_are_not_found(process: _Process) -> None:
    assert process.get("/")[0] == 404


def test_an_idle_client_does_not_block_others(process: _Process) -> None:
    with socket.create_connection(("127.0.0.1", process.server.port)):
        assert process.get("/healthz")[0] == 200


def test_a_port_in_use_is_an_error_that_names_it(process: _Process) -> None:
    address = f"127.0.0.1:{process.server.port}"
    with pytest.raises(FedjobsError, match=address) as raised:
        MetricsServer(address, CollectorRegistry())
    assert raised.value.code is ErrorCode.PORT_IN_USE
