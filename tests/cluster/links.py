"""A link between two clusters on Docker's network. A firewall in the silo's node blocks inbound connections.

The silo's cluster can connect only to the federation's front door, or only to an HTTP proxy. The proxy listens at the
gateway of Docker's network. This machine can still reach the silo's API server.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from tests.cluster import networks, proxies, reaching, requirements
from tests.cluster.clusters import Cluster
from tests.cluster.firewalls import Counted, Firewall
from tests.cluster.kind import API_SERVER
from tests.cluster.proxies import Proxy

UPLINK = "eth0"
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

    silo: Cluster
    federation: Cluster
    port: int
    proxied: bool

    @property
    def address(self) -> str:
        """The federation's address, for the silo or its proxy."""
        return self.federation.address

    @property
    def firewall(self) -> Firewall:
        return Firewall(self.silo.inside, UPLINK)

    @property
    def proxy(self) -> Proxy | None:
        """The proxy that the silo must use, or None."""
        return Proxy(self.silo.folder, self.silo.gateway, self.silo.docker.beside) if self.proxied else None

    def counted(self) -> Counted:
        """Returns the packets that the firewall has counted since the link was created."""
        return self.firewall.counted()


def join(silo: Cluster, federation: Cluster, *, port: int = FRONT_DOOR_PORT, through_proxy: bool = False) -> Link:
    """Creates a link, and replaces the silo's earlier one. It is deleted with the silo's cluster.

    External names do not exist in the silo's cluster afterwards, except those of `answer_for`.

    Args:
        silo: The cluster that opens connections.
        federation: The cluster that accepts connections.
        port: The port at the federation's address.
        through_proxy: Whether the silo must use an HTTP proxy. Only one silo at a time can have a proxy.

    Raises:
        ClusterError: This machine lacks something, or the kernel refused a change.
    """
    requirements.require(requirements.missing_for_links())
    link = Link(silo, federation, port, through_proxy)
    silo.answer_for({})  # otherwise CoreDNS would query external servers, which the firewall counts
    # The firewall would count IPv6 neighbor discovery, too.
    networks.run(*silo.inside(requirements.program("sysctl"), "-qw", f"net.ipv6.conf.{UPLINK}.disable_ipv6=1"))
    callers = sorted({silo.gateway, silo.machine_address or silo.gateway})
    way_out = (silo.gateway, proxies.PORT) if through_proxy else (link.address, port)
    link.firewall.set_up(address=way_out[0], port=way_out[1], machines=callers, machine_port=API_SERVER)
    if link.proxy:
        reachable = functools.partial(reaching.reaches, silo.inside)
        link.proxy.start(client=silo.address, port=port, reachable=reachable)
    return link
