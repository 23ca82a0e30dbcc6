"""Load balancers for Services: a Service's port becomes reachable at an address outside the cluster."""

from __future__ import annotations

import json

from tests.cluster.clusters import Cluster


def balance(cluster: Cluster, namespace: str, service: str) -> str:
    """Routes the node's address and the Service's ports to the Service, and returns the address."""
    address = cluster.address
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    patch = ("patch", "service", service, "--namespace", namespace, "--subresource=status")
    cluster.kubectl(*patch, "--type=merge", "-p", json.dumps(status))
    return address
