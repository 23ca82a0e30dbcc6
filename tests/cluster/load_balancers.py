"""What a cloud does for a Service of type LoadBalancer: its port is reachable at an address outside of the cluster."""

from __future__ import annotations

import json

from tests.cluster.clusters import Cluster


def balance(cluster: Cluster, namespace: str, service: str) -> str:
    """The address, which is the node's; packets to it and one of the Service's ports now go to the Service."""
    address = cluster.address
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    patch = ("patch", "service", service, "--namespace", namespace, "--subresource=status")
    cluster.kubectl(*patch, "--type=merge", "-p", json.dumps(status))
    return address
