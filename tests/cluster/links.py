"""A link between two clusters on this machine: a silo's, whose firewall lets nothing in, and the federation's.

Silo cluster number J has a cable 10.88.J.0/30 to the federation's cluster. Its end is behind the firewall, and what
comes from inside is translated to its address, as a hospital's router does. Or the cable ends at a host with an HTTP
proxy, which forwards no packets; another cable, 10.87.J.0/30, leads on from there. Who is at the cable's other end has
routes into the silo's networks, so that whatever is begun there arrives at the firewall, and is counted.
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
    """One that `join` made.

    Attributes:
        silo: the cluster that lets nothing in.
        federation: the one that it may reach.
        port: the one port that it may reach there.
        proxied: whether a proxy is the only way.
    """

    silo: LocalCluster
    federation: LocalCluster
    port: int
    proxied: bool

    @property
    def address(self) -> str:
        """The federation's, whether it is dialled by the silo or by its proxy."""
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
        """The network namespace at the other end of the silo's cable: of the federation, or of the proxy."""
        return self.silo.network.proxy_namespace if self.proxied else self.federation.network.namespace

    @property
    def firewall(self) -> Firewall:
        return Firewall(self.silo.network.inside, UPLINK)

    @property
    def proxy(self) -> Proxy | None:
        """The only way out, where there is one."""
        return (
            Proxy(self.silo.folder, self.outer_end, functools.partial(inside, self.outside)) if self.proxied else None
        )

    def counted(self) -> Counted:
        """What came to the firewall since the link was made."""
        return self.firewall.counted()


def join(
    silo: LocalCluster, federation: LocalCluster, *, port: int = FRONT_DOOR_PORT, through_proxy: bool = False
) -> Link:
    """Lay a link, in place of the one that the silo's cluster may have; it goes with either cluster.

    Args:
        silo: the cluster that may begin.
        federation: the cluster that may answer.
        port: where it may, at its node's address.
        through_proxy: whether an HTTP proxy is the only way.

    Raises:
        ClusterError: something is missing on this machine, or the kernel refused.
    """
    requirements.require(requirements.missing_for_links())
    link = Link(silo, federation, port, through_proxy)
    near, far = silo.network, federation.network
    _remove(silo)
    if through_proxy:
        make_namespace(near.proxy_namespace)
        _cable(f"10.87.{near.index}", (far.namespace, f"silo-{near.index}"), (near.proxy_namespace, UPLINK))
        _routes(near.proxy_namespace, [f"{far.node}/32"], f"10.87.{near.index}.1")
    outer_device = "silo0" if through_proxy else f"silo-{near.index}"
    _cable(f"10.88.{near.index}", (link.outside, outer_device), (near.namespace, UPLINK))
    _set(near.namespace, "net.ipv4.conf.all.rp_filter=0", f"net.ipv4.conf.{UPLINK}.rp_filter=0")  # or it drops unseen
    _routes(link.outside, near.all, link.silo_end)
    _routes(near.namespace, far.all, link.outer_end)
    way_out = (link.outer_end, proxies.PORT) if through_proxy else (link.address, port)
    link.firewall.set_up(address=way_out[0], port=way_out[1], machine=by_link("machine0", near.machine))
    if link.proxy:
        reachable = functools.partial(reaching.reaches, near.inside)
        link.proxy.start(client=link.silo_end, port=port, reachable=reachable)
    return link


def _remove(silo: LocalCluster) -> None:
    """What is there of an earlier link."""
    ip = requirements.program("ip")
    Proxy(silo.folder, "", silo.network.inside).end()
    remove_namespace(silo.network.proxy_namespace)
    subprocess.run(silo.network.inside(ip, "link", "delete", UPLINK), capture_output=True, check=False)


def _cable(network: str, outer: tuple[str, str], inner: tuple[str, str]) -> None:
    """A cable between two devices, each in a namespace: the outer is number 1 of the network, the inner 2."""
    ip = requirements.program("ip")
    (outer_namespace, outer_device), (inner_namespace, inner_device) = outer, inner
    peer = ("type", "veth", "peer", "name", outer_device, "netns", outer_namespace)
    run(*inside(inner_namespace, ip, "link", "add", inner_device, *peer))
    for number, (namespace, device) in enumerate((outer, inner), start=1):
        _set(namespace, f"net.ipv6.conf.{device}.disable_ipv6=1")  # neighbours' discovery would be counted as well
        run(*inside(namespace, ip, "address", "add", f"{network}.{number}/30", "dev", device))
        run(*inside(namespace, ip, "link", "set", device, "up"))


def _routes(namespace: str, networks: Sequence[str], gateway: str) -> None:
    for network in networks:
        run(*inside(namespace, requirements.program("ip"), "route", "replace", network, "via", gateway))


def _set(namespace: str, *switches: str) -> None:
    run(*inside(namespace, requirements.program("sysctl"), "-qw", *switches))
