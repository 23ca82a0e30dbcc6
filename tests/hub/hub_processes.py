"""Runs a hub as a separate process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.cluster.readiness import wait_until
from tests.server_processes import ServerProcess
from tests.sockets import free_ports

FRONT_DOOR = "fedjobs.example.org"
OPERATOR_ACCOUNT = "fedjobs"
Body = dict[str, Any]


class HubProcess(ServerProcess):
    """The process `python -m fedjobs_hub`, from its start until it is killed or stopped.

    Args:
        kubeconfig: The kubeconfig whose permissions it uses.
        namespace: The hub's namespace.
        log: The path of its log file.
        arguments: Further command-line arguments.
        ports: The ports of the hub's calls and of enrolment. None selects free ports.

    Attributes:
        address: The address for callers with a certificate, `127.0.0.1:PORT`.
        enrolment_address: The address for callers without a certificate.
    """

    def __init__(
        self, kubeconfig: Path, namespace: str, log: Path, *arguments: str, ports: tuple[int, int] | None = None
    ) -> None:
        self.log = log
        first, second, http_port = free_ports(3)
        self.ports = ports or (first, second)
        self.address, self.enrolment_address = (f"127.0.0.1:{port}" for port in self.ports)
        http = f"127.0.0.1:{http_port}"
        self.http = f"http://{http}"
        command = [sys.executable, "-m", "fedjobs_hub", "--namespace", namespace, "--front-door-host", FRONT_DOOR]
        command += ["--authority-namespace", f"{namespace}-authority"]
        command += ["--front-door-address", "127.0.0.1:443", "--operator-service-account", OPERATOR_ACCOUNT]
        command += ["--bind-address", self.address, "--enrolment-bind-address", self.enrolment_address]
        command += ["--metrics-bind-address", http, "--health-probe-bind-address", http, *arguments]
        self._start(command, kubeconfig)

    def wait_until_listening(self) -> None:
        """Waits until both ports accept connections."""
        wait_until("the hub listens", self._listens, seconds=60, broken=self._why_it_ended)

    def log_entries(self) -> list[Body]:
        """Returns the log entries of the hub."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def _listens(self) -> bool:
        return any(entry.get("event") == "listening" for entry in self.log_entries())
