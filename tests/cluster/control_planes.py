"""The command lines of etcd, the API server and the controllers, and the files that they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import yaml

from tests.cluster.certificates import Authority, write_token_keys
from tests.cluster.files import write
from tests.cluster.kubeconfigs import write_kubeconfig

ADMINS = "system:masters"  # members may do everything, independent of roles
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True)
class ControlPlane:
    """The control plane of one cluster. All its files are in one folder."""

    name: str
    folder: Path
    binaries: Path
    address: str
    port: int
    etcd_port: int
    etcd_peer_port: int
    services: IPv4Network

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def kubeconfig(self) -> Path:
        """The path of an administrator's kubeconfig."""
        return self.folder / "admin.kubeconfig"

    @property
    def audit_log(self) -> Path:
        """The path of the audit log, with one JSON line for each request."""
        return self.folder / "audit.log"

    def lay_out(self) -> None:
        """Writes keys, certificates, the administrator's kubeconfig and the audit policy."""
        authority = Authority.new(f"{self.name}-ca")
        authority.write(self.keys)
        write_token_keys(self.keys)
        service = "kubernetes.default.svc"
        names = ["localhost", "kubernetes", "kubernetes.default", service, f"{service}.cluster.local"]
        addresses = ["127.0.0.1", self.address, str(self.services[1])]
        authority.issue("kube-apiserver", hosts=[*names, *addresses]).write(self.keys, "server")
        authority.issue("kube-apiserver", [ADMINS]).write(self.keys, "kubelet-client")
        self.write_kubeconfig(self.folder / "kube-controller-manager.kubeconfig", "system:kube-controller-manager")
        admin = authority.issue("admin", [ADMINS])
        admin.write(self.keys, "admin")
        write_kubeconfig(self.kubeconfig, cluster=self.name, server=self.url, authority=authority, identity=admin)
        write(self.folder / "audit-policy.yaml", yaml.safe_dump(AUDIT_POLICY))

    def write_kubeconfig(self, path: Path, user: str, groups: Sequence[str] = ()) -> Path:
        """Writes a kubeconfig for this user, and returns its path."""
        authority = Authority.read(self.keys)
        return write_kubeconfig(
            path, cluster=self.name, server=self.url, authority=authority, identity=authority.issue(user, groups)
        )

    def etcd(self, program: str) -> list[str]:
        """Returns the command that starts etcd. For speed, it does not sync its data to disk."""
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.etcd_peer_port}"
        return [
            program,
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        ]

    def api_server(self, *more: str) -> list[str]:
        """Returns the command that starts the API server: RBAC, node authorization, Pod Security, audit."""
        return [
            str(self.binaries / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--bind-address={self.address}",
            f"--advertise-address={self.address}",
            f"--secure-port={self.port}",
            f"--cert-dir={self.folder / 'apiserver'}",
            f"--service-cluster-ip-range={self.services}",
            f"--client-ca-file={self.keys / 'ca.crt'}",
            f"--tls-cert-file={self.keys / 'server.crt'}",
            f"--tls-private-key-file={self.keys / 'server.key'}",
            f"--service-account-key-file={self.keys / 'tokens.pub'}",
            f"--service-account-signing-key-file={self.keys / 'tokens.key'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--kubelet-client-certificate={self.keys / 'kubelet-client.crt'}",
            f"--kubelet-client-key={self.keys / 'kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            f"--audit-policy-file={self.folder / 'audit-policy.yaml'}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-maxsize=1000",  # megabytes; tests read the whole log from one file
            *more,
        ]

    def controller_manager(self, *more: str) -> list[str]:
        """Returns the command that starts the controllers."""
        return [
            str(self.binaries / "kube-controller-manager"),
            f"--kubeconfig={self.folder / 'kube-controller-manager.kubeconfig'}",
            f"--service-account-private-key-file={self.keys / 'tokens.key'}",
            f"--root-ca-file={self.keys / 'ca.crt'}",
            f"--cluster-signing-cert-file={self.keys / 'ca.crt'}",
            f"--cluster-signing-key-file={self.keys / 'ca.key'}",
            f"--flex-volume-plugin-dir={self.folder / 'volume-plugins'}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            *more,
        ]
