"""The Docker daemon of kind's nodes: an existing one if it responds, or one that the project starts."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.cluster import networks, requirements
from tests.cluster.environments import without_proxies
from tests.cluster.errors import ClusterError

PATIENCE = 600  # seconds, the timeout of one command


@dataclass(frozen=True)
class Docker:
    """A Docker daemon that responds.

    Attributes:
        socket: The socket of a daemon that the project started. None means the daemon that `docker` finds by default.
        address: The address at which a daemon of the project publishes containers' ports on this machine.
        machine: The address of this machine for containers of a daemon of the project.
        namespace: The network namespace of a daemon of the project.
    """

    socket: Path | None = None
    address: str | None = None
    machine: str | None = None
    namespace: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of programs that use the daemon."""
        host = {} if self.socket is None else {"DOCKER_HOST": f"unix://{self.socket}"}
        return {**without_proxies(), **host, "PATH": requirements.search_path()}

    def __call__(self, *arguments: str, stdin: IO[bytes] | None = None) -> str:
        """Runs `docker` with these arguments and returns its output.

        Raises:
            ClusterError: The command failed. The message has its output.
        """
        return self.run("docker", *arguments, stdin=stdin)

    def run(self, *command: str, stdin: IO[bytes] | None = None) -> str:
        """Runs a program that uses the daemon, and returns its output.

        Raises:
            ClusterError: The program failed. The message has its output.
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
        """Returns whether `docker` with these arguments succeeds."""
        try:
            self(*arguments)
        except (ClusterError, OSError):
            return False
        return True

    def beside(self, *command: str) -> list[str]:
        """Returns a command that runs the given command in the daemon's network namespace."""
        return list(command) if self.namespace is None else networks.inside(self.namespace, *command)

    def inside(self, container: str, *command: str) -> list[str]:
        """Returns a command that runs the given command in a container's network namespace. It needs root."""
        pid = self("inspect", "--format", "{{.State.Pid}}", container).strip()
        return [requirements.program("nsenter"), f"--net=/proc/{pid}/ns/net", "--", *command]


def of_machine() -> Docker | None:
    """Returns the daemon of $DOCKER_HOST, of docker's current context, or of /var/run/docker.sock, if it responds."""
    docker = Docker()
    return docker if docker.succeeds("version", "--format", "{{.Server.Version}}") else None
