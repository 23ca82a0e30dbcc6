"""A link between a silo's cluster, whose firewall blocks inbound connections, and the federation's, on this machine.

The cluster of silo number J has a cable 10.88.J.0/30 to the federation's cluster. The firewall is at the silo's end of
the cable, and translates the source addresses of outbound packets, like a hospital's router. Alternatively, the cable
ends at a host with an HTTP proxy. This host forwards no packets, and another cable, 10.87.J.0/30, connects it to the
federation. The other end of the silo's cable has routes to the silo's networks. So the firewall receives and counts all
inbound connection attempts.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from tests.cluster import proxies, reaching, requirements
from tests.cluster.firewalls import Counted, Firewall, by_link
from tests.cluster.local import LocalCluster
from tests.cluster.networks import inside, make_namespace, remove_namespace, run
from tests.cluster.proxies import Proxy

UPLINK = "uplink0"
FRONT_DOOR_PORT = 443


@dataclass(frozen=True)
class Link:
    """A link that `join` created.

    Attributes:
        silo: The cluster that blocks inbound connections.
        federation: The cluster to which the silo can connect.
        port: The only port to which the silo can connect.
        proxied: Whether the silo must use a proxy.
    """

    silo: LocalCluster
    federation: LocalCluster
    port: int
    proxied: bool

    @property
    def address(self) -> str:
        """The federation's address, for the silo or its proxy."""
        return self.federation.network.node

    @property
    def silo_end(self) -> str:
        """The silo's address on the cable."""
        return f"10.88.{self.silo.network.index}.2"

    @property
    def outer_end(self) -> str:
        """The address at the other end of the silo's cable."""
        return f"10.88.{self.silo.network.index}.1"

    @property
    def outside(self) -> str:
        """The network namespace at the other end of the silo's cable: the federation's or the proxy's."""
        return self.silo.network.proxy_namespace if self.proxied else self.federation.network.namespace

    @property
    def firewall(self) -> Firewall:
        return Firewall(self.silo.network.inside, UPLINK)

    @property
    def proxy(self) -> Proxy | None:
        """The proxy that the silo must use, or None."""
        return (
            Proxy(self.silo.folder, self.outer_end, functools.partial(inside, self.outside)) if self.proxied else None
        )

    def counted(self) -> Counted:
        """Returns the packets that the firewall has counted since the link was created."""
        return self.firewall.counted()


def join(
    silo: LocalCluster, federation: LocalCluster, *, port: int = FRONT_DOOR_PORT, through_proxy: bool = False
) -> Link:
    """Creates a link, and replaces the silo's earlier one. It is deleted with either cluster.

    Args:
        silo: The cluster that opens connections.
        federation: The cluster that accepts connections.
        port: The port at the federation's address.
        through_proxy: Whether the silo must use an HTTP proxy.

    Raises:
        ClusterError: This machine lacks something, or the kernel refused a change.
    """
    requirements.require(requirements.missing_for_links())
    link = Link(silo, federation, port, through_proxy)
    near, far = silo.network, federation.network
    _remove(silo)
    if through_proxy:
        make_namespace(near.proxy_namespace)
        _lay_cable(f"10.87.{near.index}", (far.namespace, f"silo-{near.index}"), (near.proxy_namespace, UPLINK))
        _add_routes(near.proxy_namespace, [f"{far.node}/32"], f"10.87.{near.index}.1")
    outer_device = "silo0" if through_proxy else f"silo-{near.index}"
    _lay_cable(f"10.88.{near.index}", (link.outside, outer_device), (near.namespace, UPLINK))
    # Otherwise the kernel drops packets before the firewall counts them.
    _set_sysctls(near.namespace, "net.ipv4.conf.all.rp_filter=0", f"net.ipv4.conf.{UPLINK}.rp_filter=0")
    _add_routes(link.outside, near.all, link.silo_end)
    _add_routes(near.namespace, far.all, link.outer_end)
    way_out = (link.outer_end, proxies.PORT) if through_proxy else (link.address, port)
    link.firewall.set_up(address=way_out[0], port=way_out[1], machine=by_link("machine0", near.machine))
    if link.proxy:
        reachable = functools.partial(reaching.reaches, near.inside)
        link.proxy.start(client=link.silo_end, port=port, reachable=reachable)
    return link


def _remove(silo: LocalCluster) -> None:
    """Removes an earlier link, if there is one."""
    ip = requirements.program("ip")
    Proxy(silo.folder, "", silo.network.inside).end()
    remove_namespace(silo.network.proxy_namespace)
    subprocess.run(silo.network.inside(ip, "link", "delete", UPLINK), capture_output=True, check=False)


def _lay_cable(network: str, outer: tuple[str, str], inner: tuple[str, str]) -> None:
    """Connects two devices in two namespaces. The outer one gets address 1 of the network, the inner one address 2."""
    ip = requirements.program("ip")
    (outer_namespace, outer_device), (inner_namespace, inner_device) = outer, inner
    peer = ("type", "veth", "peer", "name", outer_device, "netns", outer_namespace)
    run(*inside(inner_namespace, ip, "link", "add", inner_device, *peer))
    for number, (namespace, device) in enumerate((outer, inner), start=1):
        # The firewall would count neighbor discovery, too.
        _set_sysctls(namespace, f"net.ipv6.conf.{device}.disable_ipv6=1")
        run(*inside(namespace, ip, "address", "add", f"{network}.{number}/30", "dev", device))
        run(*inside(namespace, ip, "link", "set", device, "up"))


def _add_routes(namespace: str, networks: Sequence[str], gateway: str) -> None:
    for network in networks:
        run(*inside(namespace, requirements.program("ip"), "route", "replace", network, "via", gateway))


def _set_sysctls(namespace: str, *switches: str) -> None:
    run(*inside(namespace, requirements.program("sysctl"), "-qw", *switches))
