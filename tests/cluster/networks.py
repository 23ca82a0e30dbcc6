"""A network of its own for each cluster: a namespace, where the node has its address, and one link to this machine.

Cluster number I has node 10.90.I.1, services 10.91.I.0/24 and pods 10.92.I.0/24. This machine reaches all of them over
the link 10.89.I.0/30; pods reach this machine as 10.89.I.1, and nothing beyond it.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from tests.cluster import requirements
from tests.cluster.errors import ClusterError

INDICES = range(1, 250)
_NAMESPACES = Path("/run/netns")


@dataclass(frozen=True)
class Network:
    """The addresses of one cluster, and its network namespace."""

    cluster: str
    index: int

    @property
    def namespace(self) -> str:
        return f"fedjobs-{self.cluster}"

    @property
    def link(self) -> str:
        """This machine's end of the link."""
        return f"fedjobs-{self.index}"

    @property
    def node(self) -> str:
        return f"10.90.{self.index}.1"

    @property
    def machine(self) -> str:
        """This machine, as pods see it."""
        return f"10.89.{self.index}.1"

    @property
    def services(self) -> IPv4Network:
        return IPv4Network(f"10.91.{self.index}.0/24")

    @property
    def pods(self) -> IPv4Network:
        return IPv4Network(f"10.92.{self.index}.0/24")

    def inside(self, *command: str) -> list[str]:
        """The command, run in the namespace (not `ip netns exec`, which hides the cgroups from the kubelet)."""
        return [requirements.program("nsenter"), f"--net={_NAMESPACES / self.namespace}", "--", *command]

    def make(self) -> None:
        """Make namespace, node address and link.

        Raises:
            ClusterError: the kernel refused, for example because the index is taken.
        """
        ip = requirements.program("ip")
        inner = f"10.89.{self.index}.2"
        _run(ip, "netns", "add", self.namespace)
        for line in (
            "link set lo up",
            "link add node0 type bridge",  # carries the node's address; not every kernel has dummy links
            f"addr add {self.node}/24 dev node0",
            "link set node0 up",
            "route add default dev node0",  # services' addresses must have some way to go, to be translated on it
        ):
            _run(*self.inside(ip, *line.split()))
        switches = ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables")
        _run(*self.inside(requirements.program("sysctl"), "-qw", *(f"{each}=1" for each in switches)))
        _run(ip, *f"link add {self.link} type veth peer name machine0 netns {self.namespace}".split())
        _run(*self.inside(ip, *f"addr add {inner}/30 dev machine0".split()))
        _run(*self.inside(ip, "link", "set", "machine0", "up"))
        _run(ip, *f"addr add {self.machine}/30 dev {self.link}".split())
        _run(ip, *f"link set {self.link} up".split())
        for network in (f"10.90.{self.index}.0/24", str(self.services), str(self.pods)):
            _run(ip, *f"route add {network} via {inner} dev {self.link}".split())

    def remove(self) -> None:
        """Remove what is there of it; the link goes with the namespace."""
        if (_NAMESPACES / self.namespace).exists():
            _run(requirements.program("ip"), "netns", "delete", self.namespace)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
