"""The node of a cluster: containerd, the pod network, kubelet and kube-proxy, with their files and command lines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster import requirements
from tests.cluster.control_planes import ControlPlane
from tests.cluster.files import write
from tests.cluster.networks import Network
from tests.cluster.scratch_images import PAUSE

DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Node:
    """The node of the cluster with the API server `plane`. It has the cluster's name."""

    plane: ControlPlane
    network: Network

    @property
    def folder(self) -> Path:
        return self.plane.folder

    @property
    def cgroup(self) -> str:
        """The parent cgroup of all containers."""
        return self.network.namespace

    @property
    def socket(self) -> Path:
        """The socket of containerd."""
        return self.folder / "containerd.sock"

    @property
    def volumes(self) -> Path:
        """The folder of the volumes' folders."""
        return self.folder / "volumes"

    def lay_out(self) -> None:
        """Writes the files with which the parts of the node start."""
        name = self.plane.name
        self.plane.write_kubeconfig(self.folder / "kubelet.kubeconfig", f"system:node:{name}", ["system:nodes"])
        self.plane.write_kubeconfig(self.folder / "kube-proxy.kubeconfig", "system:kube-proxy")
        write(self.folder / "resolv.conf", f"nameserver {self.network.node}\n")
        write(self.folder / "cni" / "10-pods.conflist", json.dumps(self._pod_network()))
        # Every registry refuses immediately. Without this, pulls would fail only after a timeout.
        nowhere = "http://127.0.0.1:9"
        write(self.folder / "registries" / "_default" / "hosts.toml", f'server = "{nowhere}"\n[host."{nowhere}"]\n')
        write(self.folder / "containerd.toml", self._containerd_settings())
        write(self.folder / "kubelet.yaml", yaml.safe_dump(self._kubelet_settings()))
        write(self.folder / "kube-proxy.yaml", yaml.safe_dump(self._proxy_settings()))

    def containerd(self) -> list[str]:
        """Returns the command that starts containerd."""
        return [requirements.program("containerd"), "--config", str(self.folder / "containerd.toml")]

    def kubelet(self) -> list[str]:
        """Returns the command that starts the kubelet."""
        return [
            str(self.plane.binaries / "kubelet"),
            f"--config={self.folder / 'kubelet.yaml'}",
            f"--kubeconfig={self.folder / 'kubelet.kubeconfig'}",
            f"--hostname-override={self.plane.name}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet' / 'pki'}",
            f"--node-ip={self.network.node}",
        ]

    def proxy(self) -> list[str]:
        """Returns the command that starts kube-proxy."""
        return [str(self.plane.binaries / "kube-proxy"), f"--config={self.folder / 'kube-proxy.yaml'}"]

    def ctr(self, *arguments: str) -> list[str]:
        """Returns a command that manages the pods' containers and images in containerd."""
        return [requirements.program("ctr"), "--address", str(self.socket), "--namespace", "k8s.io", *arguments]

    def _pod_network(self) -> dict[str, object]:
        ranges = [[{"subnet": str(self.network.pods)}]]
        bridge = {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": ranges,
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": str(self.folder / "addresses"),
            },
        }
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "1.0.0", "name": self.network.namespace, "plugins": [bridge, ports]}

    def _containerd_settings(self) -> str:
        # restrict_oom_score_adj: without CAP_SYS_RESOURCE, every sandbox fails: "can't get final child's PID from pipe"
        return f"""version = 2
root = "{self.folder}/containerd/root"
state = "{self.folder}/containerd/state"
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{requirements.CNI_PLUGINS}"
    conf_dir = "{self.folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{self.folder}/registries"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{self.folder}/containerd/runc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{self.folder}/containerd/opt"
"""

    def _kubelet_settings(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.network.node,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.plane.keys / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [self.network.node],
            "clusterDomain": DOMAIN,
            "resolvConf": str(self.folder / "resolv.conf"),
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "enforceNodeAllocatable": ["pods"],
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,  # no registry has the images, so the kubelet must not delete them
            "imageGCLowThresholdPercent": 99,
            "podLogsDir": str(self.folder / "pod-logs"),
            "registerNode": True,
            "volumePluginDir": str(self.folder / "volume-plugins"),
        }

    def _proxy_settings(self) -> dict[str, object]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(self.folder / "kube-proxy.kubeconfig")},
            "clusterCIDR": str(self.network.pods),
            "conntrack": {"maxPerCore": 0, "min": 0},  # these limits are global to the machine
            "healthzBindAddress": f"{self.network.node}:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "hostnameOverride": self.plane.name,
            "mode": "iptables",
        }
