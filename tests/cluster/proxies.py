"""A real HTTP proxy (tinyproxy) that permits CONNECT to one port, as in hospitals."""

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
    """A proxy that belongs to the cluster with this folder, and ends with it.

    Attributes:
        folder: The folder of the cluster, for the proxy's files and log.
        address: The address at which it listens.
        inside: Returns a command that runs the given command in the proxy's network namespace.
    """

    folder: Path
    address: str
    inside: Callable[..., list[str]]

    @property
    def url(self) -> str:
        """The URL for `https_proxy`."""
        return f"http://{self.address}:{PORT}"

    def start(self, *, client: str, port: int, reachable: Callable[[str, int], bool]) -> None:
        """Starts or restarts the proxy.

        Args:
            client: The only address that can use it.
            port: The only port to which CONNECT is permitted.
            reachable: Returns whether the client can connect to an address and port.

        Raises:
            ClusterError: The proxy did not start.
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
        """Stops the proxy, if it runs, and closes the connections through it."""
        ours = [each for each in processes.running(self.folder) if each.environ().get(processes.PART) == PART]
        for process in ours:
            processes.kill(process.pid)
        readiness.wait_until("the proxy ends", lambda: PART not in processes.parts(self.folder))

    def asked_for(self) -> list[str]:
        """Returns the destination of each CONNECT request, in order."""
        said = readiness.tail(processes.log_of(self.folder, PART), characters=10_000_000)
        return re.findall(r"Request \(file descriptor \d+\): CONNECT (\S+)", said)
