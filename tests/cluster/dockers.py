"""The Docker daemon that has kind's nodes: the one that answers here, else one that is started for them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.cluster import networks, requirements
from tests.cluster.environments import without_proxies
from tests.cluster.errors import ClusterError

PATIENCE = 600  # seconds that one command may take


@dataclass(frozen=True)
class Docker:
    """A daemon that answers.

    Attributes:
        socket: of a daemon that the project started; None means the one that `docker` finds by itself.
        address: where such a daemon publishes containers' ports, to be reached from this machine.
        machine: this machine, as containers of such a daemon see it.
        namespace: the network namespace of such a daemon.
    """

    socket: Path | None = None
    address: str | None = None
    machine: str | None = None
    namespace: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Of programs that speak to it."""
        host = {} if self.socket is None else {"DOCKER_HOST": f"unix://{self.socket}"}
        return {**without_proxies(), **host, "PATH": requirements.search_path()}

    def __call__(self, *arguments: str, stdin: IO[bytes] | None = None) -> str:
        """What `docker` with these arguments prints.

        Raises:
            ClusterError: it ended with another code than 0; with what it said.
        """
        return self.run("docker", *arguments, stdin=stdin)

    def run(self, *command: str, stdin: IO[bytes] | None = None) -> str:
        """What a program prints that speaks to the daemon.

        Raises:
            ClusterError: it ended with another code than 0; with what it said.
        """
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env=self.environment,
        )
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-3000:]
            raise ClusterError(f"{' '.join(command)}: {said}")
        return done.stdout

    def succeeds(self, *arguments: str) -> bool:
        """Whether `docker` with these arguments ends well."""
        try:
            self(*arguments)
        except (ClusterError, OSError):
            return False
        return True

    def beside(self, *command: str) -> list[str]:
        """The command, run where the daemon has its networks."""
        return list(command) if self.namespace is None else networks.inside(self.namespace, *command)

    def inside(self, container: str, *command: str) -> list[str]:
        """The command, run on this machine in the network namespace of a container; needs root."""
        pid = self("inspect", "--format", "{{.State.Pid}}", container).strip()
        return [requirements.program("nsenter"), f"--net=/proc/{pid}/ns/net", "--", *command]


def of_machine() -> Docker | None:
    """The daemon of $DOCKER_HOST, of docker's current context, or of /var/run/docker.sock, if it answers."""
    docker = Docker()
    return docker if docker.succeeds("version", "--format", "{{.Server.Version}}") else None
