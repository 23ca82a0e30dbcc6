"""Network namespaces of this machine, for a Docker daemon and for tests of proxies."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.cluster import requirements
from tests.cluster.errors import ClusterError

_NAMESPACES = Path("/run/netns")


def inside(namespace: str, *command: str) -> list[str]:
    """Returns a command in a network namespace. `ip netns exec` would hide the cgroups, which Docker needs."""
    return [requirements.program("nsenter"), f"--net={_NAMESPACES / namespace}", "--", *command]


def make_namespace(name: str) -> None:
    """Creates a network namespace that has only a loopback device.

    Raises:
        ClusterError: The kernel refused it.
    """
    ip = requirements.program("ip")
    run(ip, "netns", "add", name)
    run(*inside(name, ip, "link", "set", "lo", "up"))


def remove_namespace(name: str) -> None:
    """Removes a network namespace and its links, if it exists."""
    if not (_NAMESPACES / name).exists():
        return
    ip = requirements.program("ip")
    # The kernel removes the links only some time after the namespace, and the next cluster may use their names at once.
    for link in json.loads(run(*inside(name, ip, "-json", "link", "show", "type", "veth"))):
        subprocess.run(inside(name, ip, "link", "delete", link["ifname"]), capture_output=True, check=False)
    run(ip, "netns", "delete", name)


def run(*command: str) -> str:
    """Runs a command and returns its output.

    Raises:
        ClusterError: The command failed. The message has its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
