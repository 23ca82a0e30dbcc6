"""Runs the operator as a separate process."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

from tests.cluster.readiness import wait_until
from tests.operator.builders import FRONT_DOOR
from tests.server_processes import ServerProcess
from tests.sockets import free_ports

OWN_NAMESPACE = "fedjobs-system"
NO_HUB = "127.0.0.1:1"
"""An address that no hub listens on. The operator works without a hub."""


class OperatorProcess(ServerProcess):
    """An operator process, from its start until it is killed or stopped.

    Args:
        kubeconfig: The kubeconfig whose permissions it uses.
        log: The path of its log file.
        arguments: Further command-line arguments.
    """

    def __init__(self, kubeconfig: Path, log: Path, *arguments: str) -> None:
        self.log = log
        self._health, self._metrics = free_ports(2)
        command = [sys.executable, "-m", "fedjobs_operator", "--namespace", OWN_NAMESPACE]
        command += ["--authority-namespace", f"{OWN_NAMESPACE}-authority"]
        command += [
            "--front-door-host",
            FRONT_DOOR.host,
            "--front-door-address",
            FRONT_DOOR.address,
            "--hub-address",
            NO_HUB,
        ]
        command += ["--coordinator-image", "coordinator:1", "--health-probe-bind-address", f"127.0.0.1:{self._health}"]
        command += ["--metrics-bind-address", f"127.0.0.1:{self._metrics}", *arguments]
        self._start(command, kubeconfig)

    def get(self, path: str) -> str:
        """Sends an HTTP GET request to the operator and returns the response's body."""
        port = self._health if path == "/healthz" else self._metrics
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            content: bytes = answer.read()
            return content.decode()

    def wait_until_live(self) -> None:
        """Waits until its health endpoint responds."""
        wait_until("the operator's health endpoint responds", self._is_healthy, seconds=60, broken=self._why_it_ended)

    def _is_healthy(self) -> bool:
        try:
            return bool(self.get("/healthz"))
        except OSError:
            return False
