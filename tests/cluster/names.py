"""Names of services: CoreDNS as a process of the node, at the node's address. Every other name does not exist."""

from __future__ import annotations

from tests.cluster.files import write
from tests.cluster.nodes import DOMAIN, Node

USER = "system:coredns"
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
""",
    )


def command(node: Node) -> list[str]:
    """The command that starts CoreDNS."""
    return [str(node.plane.binaries / "coredns"), "-conf", str(node.folder / "Corefile")]
