"""DNS for a cluster: CoreDNS as a process at the node's address.

Names of Services and of the zones that a test adds exist, and no others.
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
    """Writes the files with which CoreDNS starts."""
    _write(node, {})


def answer(node: Node, zones: Mapping[str, str]) -> None:
    """Lets the running CoreDNS answer for these external zones only: a name, the names below it, and their address.

    Raises:
        ClusterError: CoreDNS does not accept the zones.
    """
    before = _log(node).count(_READ_AGAIN)
    _write(node, zones)
    for process in processes.running(node.folder):
        if process.environ().get(processes.PART) == PART:
            process.send_signal(signal.SIGUSR1)
    readiness.wait_until(
        "CoreDNS reloads its configuration", lambda: _log(node).count(_READ_AGAIN) > before, seconds=60
    )


def command(node: Node) -> list[str]:
    """Returns the command that starts CoreDNS."""
    return [str(node.plane.binaries / "coredns"), "-conf", str(node.folder / "Corefile")]


def _log(node: Node) -> str:
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
