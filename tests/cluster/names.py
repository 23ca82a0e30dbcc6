"""External names in a cluster. The cluster's CoreDNS answers for them, and forwards no queries."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.cluster.kubectl import Kubectl

_DEPLOYMENT = ("deployment/coredns", "--namespace=kube-system")
_PODS = ("--selector=k8s-app=kube-dns", "--namespace=kube-system")


def answer(kubectl: Kubectl, zones: Mapping[str, str]) -> None:
    """Lets the cluster's CoreDNS answer for these external zones only: a name, the names below it, and their address.

    Raises:
        ClusterError: CoreDNS does not accept the zones.
    """
    patch = json.dumps({"data": {"Corefile": corefile(zones)}})
    kubectl("patch", "configmap", "coredns", "--namespace=kube-system", "--type=merge", "-p", patch)
    before = kubectl("get", "pods", *_PODS, "-o", "name").split()
    kubectl("rollout", "restart", *_DEPLOYMENT)
    kubectl("rollout", "status", *_DEPLOYMENT, "--timeout=120s")
    # A terminating pod may still receive queries until it ends, and forward them to external servers.
    kubectl("wait", "--for=delete", *before, "--namespace=kube-system", "--timeout=120s")


def corefile(zones: Mapping[str, str]) -> str:
    """Returns the configuration of CoreDNS: the cluster's names and those of the zones exist, and no others."""
    cluster = """cluster.local in-addr.arpa ip6.arpa {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 30
    }
    cache 30
}
. {
    errors
    health {
        lameduck 5s
    }
    ready
    template ANY ANY . {
        rcode NXDOMAIN
    }
}
"""
    return cluster + "".join(_zone(name, address) for name, address in zones.items())


def _zone(name: str, address: str) -> str:
    return f"""{name} {{
    errors
    template IN A {name} {{
        answer "{{{{ .Name }}}} 1 IN A {address}"
    }}
    template IN ANY {name} {{
        rcode NOERROR
    }}
}}
"""
