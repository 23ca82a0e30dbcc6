"""Names of services: CoreDNS as a process of the node, at the node's address. Every other name does not exist, but for
those that a test gives the cluster.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping

from tests.cluster import processes, readiness
from tests.cluster.files import write
from tests.cluster.nodes import DOMAIN, Node

USER = "system:coredns"
PART = "coredns"
_READ_AGAIN = "Reloading complete"
ROLES = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: "{USER}"}}
rules:
- {{apiGroups: [""], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}}
- {{apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: "{USER}"}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "{USER}"}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: "{USER}"}}]
"""


def lay_out(node: Node) -> None:
    """Write what CoreDNS is started with."""
    _write(node, {})


def answer(node: Node, zones: Mapping[str, str]) -> None:
    """Let the running CoreDNS answer for these zones, and no others: a name, all names below it, and their address.

    Raises:
        ClusterError: it does not take them.
    """
    before = _said(node).count(_READ_AGAIN)
    _write(node, zones)
    for process in processes.running(node.folder):
        if process.environ().get(processes.PART) == PART:
            process.send_signal(signal.SIGUSR1)
    readiness.wait_until("CoreDNS has read its file again", lambda: _said(node).count(_READ_AGAIN) > before, seconds=60)


def command(node: Node) -> list[str]:
    """The command that starts CoreDNS."""
    return [str(node.plane.binaries / "coredns"), "-conf", str(node.folder / "Corefile")]


def _said(node: Node) -> str:
    return readiness.tail(processes.log_of(node.folder, PART), characters=1_000_000)


def _write(node: Node, zones: Mapping[str, str]) -> None:
    kubeconfig = node.plane.write_kubeconfig(node.folder / "coredns.kubeconfig", USER)
    write(
        node.folder / "Corefile",
        f"""{DOMAIN} in-addr.arpa {{
    bind {node.network.node}
    errors
    kubernetes {{
        kubeconfig {kubeconfig}
        ttl 1
    }}
}}
. {{
    bind {node.network.node}
    errors
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""
        + "".join(_zone(node, name, address) for name, address in zones.items()),
    )


def _zone(node: Node, name: str, address: str) -> str:
    return f"""{name} {{
    bind {node.network.node}
    errors
    template IN A {name} {{
        answer "{{{{ .Name }}}} 1 IN A {address}"
    }}
    template IN ANY {name} {{
        rcode NOERROR
    }}
}}
"""
