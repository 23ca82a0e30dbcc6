"""A network of its own for each cluster: a namespace, where the node has its address, and one link to this machine.

Cluster number I has node 10.90.I.1, services 10.91.I.0/24 and pods 10.92.I.0/24. This machine reaches all of them over
the link 10.89.I.0/30; pods reach this machine as 10.89.I.1, and nothing beyond it. Links between clusters: see
`links`.
"""

from __future__ import annotations

import json
import socket
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
    def proxy_namespace(self) -> str:
        """Of a host between this cluster and another one, where there is one."""
        return f"{self.namespace}-proxy"

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

    @property
    def all(self) -> list[str]:
        """Of node, services and pods."""
        return [f"10.90.{self.index}.0/24", str(self.services), str(self.pods)]

    def inside(self, *command: str) -> list[str]:
        """The command, run in the namespace."""
        return inside(self.namespace, *command)

    @property
    def taken(self) -> bool:
        """Whether this machine has such a link, whosever it is."""
        return self.link in {name for _, name in socket.if_nameindex()}

    def make(self) -> None:
        """Make namespace, node address and link.

        Raises:
            ClusterError: the kernel refused, for example because the index is taken.
        """
        ip = requirements.program("ip")
        inner = f"10.89.{self.index}.2"
        make_namespace(self.namespace)
        for line in (
            "link add node0 type bridge",  # carries the node's address; not every kernel has dummy links
            f"addr add {self.node}/24 dev node0",
            "link set node0 up",
            "route add default dev node0",  # services' addresses must have some way to go, to be translated on it
        ):
            run(*self.inside(ip, *line.split()))
        switches = ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables")
        run(*self.inside(requirements.program("sysctl"), "-qw", *(f"{each}=1" for each in switches)))
        run(ip, *f"link add {self.link} type veth peer name machine0 netns {self.namespace}".split())
        # It would ask for routers of IPv6, again and again, which a firewall would count.
        run(*self.inside(requirements.program("sysctl"), "-qw", "net.ipv6.conf.machine0.disable_ipv6=1"))
        run(*self.inside(ip, *f"addr add {inner}/30 dev machine0".split()))
        run(*self.inside(ip, "link", "set", "machine0", "up"))
        run(ip, *f"addr add {self.machine}/30 dev {self.link}".split())
        run(ip, *f"link set {self.link} up".split())
        for network in self.all:
            run(ip, *f"route add {network} via {inner} dev {self.link}".split())

    def remove(self) -> None:
        """Remove what is there of it."""
        for namespace in (self.namespace, self.proxy_namespace):
            remove_namespace(namespace)


def inside(namespace: str, *command: str) -> list[str]:
    """The command, run in a network namespace (not `ip netns exec`, which hides the cgroups from the kubelet)."""
    return [requirements.program("nsenter"), f"--net={_NAMESPACES / namespace}", "--", *command]


def make_namespace(name: str) -> None:
    """Make a network namespace with nothing but itself.

    Raises:
        ClusterError: the kernel refused.
    """
    ip = requirements.program("ip")
    run(ip, "netns", "add", name)
    run(*inside(name, ip, "link", "set", "lo", "up"))


def remove_namespace(name: str) -> None:
    """Remove a network namespace and its links, if it is there."""
    if not (_NAMESPACES / name).exists():
        return
    ip = requirements.program("ip")
    # The kernel removes them only some time after the namespace, and the next cluster may want their names at once.
    for link in json.loads(run(*inside(name, ip, "-json", "link", "show", "type", "veth"))):
        subprocess.run(inside(name, ip, "link", "delete", link["ifname"]), capture_output=True, check=False)
    run(ip, "netns", "delete", name)


def run(*command: str) -> str:
    """Run a command; what it printed.

    Raises:
        ClusterError: it failed; with what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
