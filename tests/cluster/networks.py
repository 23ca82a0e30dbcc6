"""A separate network for each cluster: a namespace with the node's address, and a link to this machine.

Cluster number I has node 10.90.I.1, services 10.91.I.0/24 and pods 10.92.I.0/24. This machine reaches all of them over
the link 10.89.I.0/30. Pods reach this machine as 10.89.I.1, and nothing beyond it. See `links` for links between
clusters.
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
        """The namespace of the host between this cluster and another one, if there is such a host."""
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
        """This machine's address for pods."""
        return f"10.89.{self.index}.1"

    @property
    def services(self) -> IPv4Network:
        return IPv4Network(f"10.91.{self.index}.0/24")

    @property
    def pods(self) -> IPv4Network:
        return IPv4Network(f"10.92.{self.index}.0/24")

    @property
    def all(self) -> list[str]:
        """The networks of node, services and pods."""
        return [f"10.90.{self.index}.0/24", str(self.services), str(self.pods)]

    def inside(self, *command: str) -> list[str]:
        """Returns a command that runs the given command in the namespace."""
        return inside(self.namespace, *command)

    @property
    def taken(self) -> bool:
        """Returns whether this machine has a link with this name, of any owner."""
        return self.link in {name for _, name in socket.if_nameindex()}

    def make(self) -> None:
        """Creates namespace, node address and link.

        Raises:
            ClusterError: The kernel refused a change, for example because the index is in use.
        """
        ip = requirements.program("ip")
        inner = f"10.89.{self.index}.2"
        make_namespace(self.namespace)
        for line in (
            "link add node0 type bridge",  # has the node's address, because not every kernel has dummy links
            f"addr add {self.node}/24 dev node0",
            "link set node0 up",
            "route add default dev node0",  # service addresses need a route to be translated on
        ):
            run(*self.inside(ip, *line.split()))
        switches = ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables")
        run(*self.inside(requirements.program("sysctl"), "-qw", *(f"{each}=1" for each in switches)))
        run(ip, *f"link add {self.link} type veth peer name machine0 netns {self.namespace}".split())
        # The kernel would repeatedly ask for IPv6 routers, which a firewall would count.
        run(*self.inside(requirements.program("sysctl"), "-qw", "net.ipv6.conf.machine0.disable_ipv6=1"))
        run(*self.inside(ip, *f"addr add {inner}/30 dev machine0".split()))
        run(*self.inside(ip, "link", "set", "machine0", "up"))
        run(ip, *f"addr add {self.machine}/30 dev {self.link}".split())
        run(ip, *f"link set {self.link} up".split())
        for network in self.all:
            run(ip, *f"route add {network} via {inner} dev {self.link}".split())

    def remove(self) -> None:
        """Removes the namespace and the link, if they exist."""
        for namespace in (self.namespace, self.proxy_namespace):
            remove_namespace(namespace)


def inside(namespace: str, *command: str) -> list[str]:
    """Returns a command in a network namespace. `ip netns exec` would hide the cgroups from the kubelet."""
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
