"""The operator as a process of its own."""

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
"""Nobody listens there: an operator goes on without a hub."""


class OperatorProcess(ServerProcess):
    """Runs from the start until it is killed or stopped.

    Args:
        kubeconfig: Whose rights it has.
        log: Where its words go.
        arguments: Further ones.
    """

    def __init__(self, kubeconfig: Path, log: Path, *arguments: str) -> None:
        self.log = log
        self._health, self._metrics = free_ports(2)
        command = [sys.executable, "-m", "fedjobs_operator", "--namespace", OWN_NAMESPACE]
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
        """What it answers to an HTTP request."""
        port = self._health if path == "/healthz" else self._metrics
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            content: bytes = answer.read()
            return content.decode()

    def wait_until_it_lives(self) -> None:
        """Until it answers a kubelet's question."""
        wait_until("the operator lives", self._lives, seconds=60, broken=self._why_it_ended)

    def _lives(self) -> bool:
        try:
            return bool(self.get("/healthz"))
        except OSError:
            return False
