"""A cluster of kind's, for machines that have Docker and a registry; the same to tests, but without an audit log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster import binaries, recognized
from tests.cluster.binaries import Module
from tests.cluster.clusters import Cluster, run
from tests.cluster.errors import ClusterError
from tests.cluster.local import clusters_folder
from tests.cluster.requirements import which

PROVIDER = "kind"
CONFIG = Path(__file__).parent / "kind.yaml"


class KindCluster(Cluster):
    """One that `up` made with kind."""

    @property
    def node(self) -> str:
        return f"{self.name}-control-plane"

    @property
    def machine_address(self) -> str | None:
        template = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}"
        return run(["docker", "inspect", "--format", template, self.node]).strip() or None

    @property
    def audit_log(self) -> Path | None:
        return None

    def load_images(self, archives: Sequence[Path]) -> None:
        for archive in archives:
            run(["kind", "load", "image-archive", str(archive), f"--name={self.name}"])

    def kill_container(self, namespace: str, pod: str, container: str) -> None:
        found = self.container_id(namespace, pod, container)
        run(["docker", "exec", self.node, "ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", found])

    def prepare(self) -> None:
        """Nothing: kind makes a volume for each claim."""


def up(name: str, say: Callable[[str], None] = lambda _: None) -> KindCluster:
    """The cluster of that name; made if it is not there.

    Raises:
        ClusterError: kind or Docker is missing, or could not do it.
    """
    for program, place in {"kind": "https://kind.sigs.k8s.io", "docker": "https://docs.docker.com"}.items():
        if which(program) is None:
            raise ClusterError(f"{program} is missing: {place}")
    cluster = opened(name, kubeconfig_of(name))
    cluster.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    if name in run(["kind", "get", "clusters"]).split():
        run(["kind", "export", "kubeconfig", f"--name={name}", f"--kubeconfig={cluster.kubeconfig}"])
    else:
        say(f"kind makes cluster {name}")
        files = [f"--config={CONFIG}", f"--kubeconfig={cluster.kubeconfig}"]
        run(["kind", "create", "cluster", f"--name={name}", "--wait=120s", *files])
    recognized.mark(cluster.kubectl, name, PROVIDER)
    return cluster


def down(name: str) -> None:
    """End the cluster of that name."""
    run(["kind", "delete", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig_of(name)}"])
    kubeconfig_of(name).unlink(missing_ok=True)


def opened(name: str, kubeconfig: Path) -> KindCluster:
    """The cluster that is there already."""
    return KindCluster(name, kubeconfig, binaries.ensured(Module.KUBERNETES, Module.HELM))


def kubeconfig_of(name: str) -> Path:
    """Where `up` writes it."""
    return clusters_folder() / f"{PROVIDER}-{name}.kubeconfig"
