"""A link between two clusters of kind's on Docker's network: a firewall in the silo's node lets nothing in.

What is inside the silo's cluster gets out to the federation's front door alone. Or an HTTP proxy is the only way: it
listens at the gateway of Docker's network. This machine reaches the silo's API server as before.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from tests.cluster import networks, proxies, reaching, requirements
from tests.cluster.firewalls import Counted, Firewall, by_port
from tests.cluster.kind import API_SERVER, KindCluster
from tests.cluster.links import FRONT_DOOR_PORT
from tests.cluster.proxies import Proxy

UPLINK = "eth0"


@dataclass(frozen=True)
class KindLink:
    """One that `join` made.

    Attributes:
        silo: the cluster that lets nothing in.
        federation: the one that it may reach.
        port: the one port that it may reach there.
        proxied: whether a proxy is the only way.
    """

    silo: KindCluster
    federation: KindCluster
    port: int
    proxied: bool

    @property
    def address(self) -> str:
        """The federation's, whether it is dialled by the silo or by its proxy."""
        return self.federation.address

    @property
    def firewall(self) -> Firewall:
        return Firewall(self.silo.inside, UPLINK)

    @property
    def proxy(self) -> Proxy | None:
        """The only way out, where there is one."""
        return Proxy(self.silo.folder, self.silo.gateway, self.silo.docker.beside) if self.proxied else None

    def counted(self) -> Counted:
        """What came to the firewall since the link was made."""
        return self.firewall.counted()


def join(
    silo: KindCluster, federation: KindCluster, *, port: int = FRONT_DOOR_PORT, through_proxy: bool = False
) -> KindLink:
    """Lay a link, in place of the one that the silo's cluster may have; it goes with the silo's cluster.

    Names of the world outside do not exist in the silo's cluster any more, but for those of `answer_for`.

    Args:
        silo: the cluster that may begin.
        federation: the cluster that may answer.
        port: where it may, at its node's address.
        through_proxy: whether an HTTP proxy is the only way; one silo at a time can have it.

    Raises:
        ClusterError: something is missing on this machine, or the kernel refused.
    """
    requirements.require(requirements.missing_for_links())
    link = KindLink(silo, federation, port, through_proxy)
    silo.answer_for({})  # or CoreDNS would ask the world, and be counted
    # neighbours' discovery would be counted as well
    networks.run(*silo.inside(requirements.program("sysctl"), "-qw", f"net.ipv6.conf.{UPLINK}.disable_ipv6=1"))
    callers = sorted({silo.gateway, silo.machine_address or silo.gateway})
    way_out = (silo.gateway, proxies.PORT) if through_proxy else (link.address, port)
    link.firewall.set_up(address=way_out[0], port=way_out[1], machine=by_port(UPLINK, callers, API_SERVER))
    if link.proxy:
        reachable = functools.partial(reaching.reaches, silo.inside)
        link.proxy.start(client=silo.address, port=port, reachable=reachable)
    return link
