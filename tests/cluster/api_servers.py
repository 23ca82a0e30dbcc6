"""A real API server with etcd and nothing else: there in seconds, without root, gone with the process that asked."""

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
ATTEMPTS = 3  # a port that was free may be taken by the time it is asked for


@dataclass(frozen=True)
class ApiServer:
    """One that runs, and ways to speak to it."""

    plane: ControlPlane

    @property
    def url(self) -> str:
        return self.plane.url

    @property
    def kubeconfig(self) -> Path:
        """An administrator's."""
        return self.plane.kubeconfig

    @property
    def audit_log(self) -> Path:
        """One JSON line for each request that was answered."""
        return self.plane.audit_log

    @property
    def kubectl(self) -> Kubectl:
        """As an administrator."""
        return Kubectl(self.plane.binaries / "kubectl", self.kubeconfig)

    def client(self) -> ApiClient:
        """As an administrator; every call makes a client of its own."""
        return _client(self.kubeconfig)

    def client_as(self, user: str, groups: Sequence[str] = ()) -> ApiClient:
        """As any user, such as system:serviceaccount:NAMESPACE:NAME, who may do what roles allow."""
        return _client(self.kubeconfig_as(user, groups))

    def kubeconfig_as(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig of any user, for a process of its own."""
        name = re.sub(r"\W+", "-", "-".join([user, *groups]))
        return self.plane.write_kubeconfig(self.plane.folder / f"{name}.kubeconfig", user, groups)

    def kubectl_as(self, user: str, groups: Sequence[str] = ()) -> Kubectl:
        """kubectl as any user."""
        return Kubectl(self.plane.binaries / "kubectl", self.kubeconfig_as(user, groups))


@contextmanager
def running_api_server(folder: Path, *, with_controllers: bool = False) -> Iterator[ApiServer]:
    """An API server on free ports of 127.0.0.1, its files in the folder, that ends with the block or with this process.

    Args:
        folder: an empty one, or one that is not there.
        with_controllers: Jobs make pods (which stay Pending), owners' deletion and namespaces' deletion are completed,
            namespaces get their service account. Without them pods need no service account.

    Raises:
        ClusterError: something that is needed is missing, or it did not start; with the end of what it said.
    """
    requirements.require(requirements.missing_for_api_server(binaries.built(Module.KUBERNETES)))
    programs = binaries.ensured(Module.KUBERNETES)
    for attempt in range(1, ATTEMPTS + 1):
        with ExitStack() as stack:
            try:
                plane = _started(folder / str(attempt), programs, stack, with_controllers=with_controllers)
            except ClusterError:
                if attempt == ATTEMPTS:
                    raise
                continue
            yield ApiServer(plane)
            return


def _started(folder: Path, programs: Path, stack: ExitStack, *, with_controllers: bool) -> ControlPlane:
    port, etcd, peer = free_ports(3)
    plane = ControlPlane("fedjobs-test-api", folder, programs, "127.0.0.1", port, etcd, peer, SERVICES)
    plane.lay_out()
    disabled = [] if with_controllers else ["--disable-admission-plugins=ServiceAccount"]
    processes = [
        stack.enter_context(_bound_to_us(plane.etcd(requirements.program("etcd")), folder / "etcd.log")),
        stack.enter_context(_bound_to_us(plane.api_server(*disabled), folder / "kube-apiserver.log")),
    ]

    def wait_for(path: str) -> None:
        reached = functools.partial(readiness.answers, plane, path)
        readiness.wait_until(path, reached, broken=lambda: _first_that_ended(processes))

    wait_for("/readyz")
    wait_for("/api/v1/namespaces/default")
    if with_controllers:
        command = plane.controller_manager(f"--controllers={','.join(CONTROLLERS)}")
        processes.append(stack.enter_context(_bound_to_us(command, folder / "kube-controller-manager.log")))
        wait_for("/api/v1/namespaces/default/serviceaccounts/default")
    mark(Kubectl(programs / "kubectl", plane.kubeconfig), plane.name, "api-server")
    return plane


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def _bound_to_us(command: Sequence[str], log: Path) -> Iterator[_Running]:
    """A process that the kernel ends when we end, however that comes about; what it kept is of no use to anyone."""
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
