"""A real HTTP proxy (tinyproxy) that lets CONNECT through to one port, as hospitals have them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import processes, readiness, requirements
from tests.cluster.files import write

PORT = 3128
PART = "tinyproxy"


@dataclass(frozen=True)
class Proxy:
    """One that belongs to the cluster of that folder, and ends with it.

    Attributes:
        folder: of the cluster, for its files and its log.
        address: where it listens.
        inside: makes a command one that runs in the proxy's network namespace.
    """

    folder: Path
    address: str
    inside: Callable[..., list[str]]

    @property
    def url(self) -> str:
        """As `https_proxy` has it."""
        return f"http://{self.address}:{PORT}"

    def start(self, *, client: str, port: int, reachable: Callable[[str, int], bool]) -> None:
        """Start it, or start it anew.

        Args:
            client: the one address that may use it.
            port: the one port that CONNECT may go to.
            reachable: whether something listens at an address and port, seen from where the client is.

        Raises:
            ClusterError: it did not start.
        """
        settings = {
            "Port": PORT,
            "Listen": self.address,
            "Allow": client,
            "ConnectPort": port,
            "Timeout": 600,
            "MaxClients": 100,
            "LogLevel": "Connect",
        }
        lines = "".join(f"{name} {value}\n" for name, value in settings.items())
        config = write(self.folder / "tinyproxy.conf", lines)
        self.end()
        command = [requirements.program("tinyproxy"), "-d", "-c", str(config)]
        process = processes.start(self.folder, PART, self.inside(*command))
        ended = functools.partial(readiness.ending, process, processes.log_of(self.folder, PART))
        readiness.wait_until("the proxy listens", functools.partial(reachable, self.address, PORT), broken=ended)

    def end(self) -> None:
        """End it, if it runs; connections through it are cut."""
        ours = [each for each in processes.running(self.folder) if each.environ().get(processes.PART) == PART]
        for process in ours:
            processes.kill(process.pid)
        readiness.wait_until("the proxy has ended", lambda: PART not in processes.parts(self.folder))

    def asked_for(self) -> list[str]:
        """Each place that a CONNECT asked for, in their order."""
        said = readiness.tail(processes.log_of(self.folder, PART), characters=10_000_000)
        return re.findall(r"Request \(file descriptor \d+\): CONNECT (\S+)", said)
