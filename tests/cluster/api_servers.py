"""A real API server with etcd. It starts in seconds, needs no root, and ends with the process that started it."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from kubernetes import config
from kubernetes.client import ApiClient

from tests.cluster import binaries, readiness, requirements
from tests.cluster.binaries import Module
from tests.cluster.control_planes import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.kubectl import Kubectl
from tests.cluster.recognized import mark
from tests.sockets import free_ports

SERVICES = IPv4Network("10.96.0.0/16")
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "validatingadmissionpolicy-status-controller",
)
ATTEMPTS = 3  # another process may take a free port before the server binds it


@dataclass(frozen=True)
class ApiServer:
    """A running API server, and clients for it."""

    plane: ControlPlane

    @property
    def url(self) -> str:
        return self.plane.url

    @property
    def kubeconfig(self) -> Path:
        """The path of an administrator's kubeconfig."""
        return self.plane.kubeconfig

    @property
    def audit_log(self) -> Path:
        """The path of the audit log, with one JSON line for each request."""
        return self.plane.audit_log

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as an administrator."""
        return Kubectl(self.plane.binaries / "kubectl", self.kubeconfig)

    def client(self) -> ApiClient:
        """Returns a new client for an administrator."""
        return _client(self.kubeconfig)

    def client_as(self, user: str, groups: Sequence[str] = ()) -> ApiClient:
        """Returns a client for any user, such as system:serviceaccount:NAMESPACE:NAME. Roles define its permissions."""
        return _client(self.kubeconfig_as(user, groups))

    def kubeconfig_as(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Returns a kubeconfig for any user, for a separate process."""
        name = re.sub(r"\W+", "-", "-".join([user, *groups]))
        return self.plane.write_kubeconfig(self.plane.folder / f"{name}.kubeconfig", user, groups)

    def kubectl_as(self, user: str, groups: Sequence[str] = ()) -> Kubectl:
        """Returns kubectl as any user."""
        return Kubectl(self.plane.binaries / "kubectl", self.kubeconfig_as(user, groups))


@contextmanager
def running_api_server(folder: Path, *, with_controllers: bool = False) -> Iterator[ApiServer]:
    """Runs an API server on free ports of 127.0.0.1. It ends with the block, or with this process.

    Args:
        folder: The folder for its files. It must be empty or not exist.
        with_controllers: Whether to run the controllers. With them, Jobs create pods (which stay Pending), deletions
            of owners and namespaces are completed, and namespaces get a service account. Without them, pods need no
            service account.

    Raises:
        ClusterError: A requirement is missing, or the server did not start. The message has the end of its log.
    """
    requirements.require(requirements.missing_for_api_server(binaries.built(Module.KUBERNETES)))
    programs = binaries.ensured(Module.KUBERNETES)
    for attempt in range(1, ATTEMPTS + 1):
        with ExitStack() as stack:
            try:
                plane = _start(folder / str(attempt), programs, stack, with_controllers=with_controllers)
            except ClusterError:
                if attempt == ATTEMPTS:
                    raise
                continue
            yield ApiServer(plane)
            return


def _start(folder: Path, programs: Path, stack: ExitStack, *, with_controllers: bool) -> ControlPlane:
    port, etcd, peer = free_ports(3)
    plane = ControlPlane("fedjobs-test-api", folder, programs, "127.0.0.1", port, etcd, peer, SERVICES)
    plane.lay_out()
    disabled = [] if with_controllers else ["--disable-admission-plugins=ServiceAccount"]
    processes = [
        stack.enter_context(_run_until_exit(plane.etcd(requirements.program("etcd")), folder / "etcd.log")),
        stack.enter_context(_run_until_exit(plane.api_server(*disabled), folder / "kube-apiserver.log")),
    ]

    def wait_for(path: str) -> None:
        reached = functools.partial(readiness.answers, plane, path)
        readiness.wait_until(path, reached, broken=lambda: _first_that_ended(processes))

    wait_for("/readyz")
    wait_for("/api/v1/namespaces/default")
    if with_controllers:
        command = plane.controller_manager(f"--controllers={','.join(CONTROLLERS)}")
        processes.append(stack.enter_context(_run_until_exit(command, folder / "kube-controller-manager.log")))
        wait_for("/api/v1/namespaces/default/serviceaccounts/default")
    mark(Kubectl(programs / "kubectl", plane.kubeconfig), plane.name)
    return plane


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def _run_until_exit(command: Sequence[str], log: Path) -> Iterator[_Running]:
    """Runs a process that the kernel kills when this process ends for any reason. Its data is not needed afterwards."""
    bound = [requirements.program("setpriv"), "--pdeathsig", "KILL", "--", *command]
    with log.open("wb") as file:
        process = subprocess.Popen(bound, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    try:
        yield _Running(process, log)
    finally:
        process.kill()
        process.wait()


def _first_that_ended(processes: Sequence[_Running]) -> str | None:
    endings = (readiness.ending(each.process, each.log) for each in processes)
    return next(filter(None, endings), None)


def _client(kubeconfig: Path) -> ApiClient:
    return config.new_client_from_config(str(kubeconfig), persist_config=False)
