"""A proxy in a separate network: which connections it permits, and how it ends."""

from __future__ import annotations

import functools
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cluster import processes, proxies, requirements
from tests.cluster.fixtures import give_up
from tests.cluster.networks import inside, make_namespace, remove_namespace
from tests.cluster.proxies import Proxy
from tests.cluster.reaching import reaches, reaches_through
from tests.cluster.readiness import wait_until

pytestmark = pytest.mark.processes

HERE = "127.0.0.1"
_LISTEN = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\nwhile True: s.accept()"


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[str]:
    """A network namespace of a proxy, whose cluster has only a folder: tmp_path."""
    lacks = [*requirements.missing_for_docker(), *requirements.missing_for_links()]
    if lacks:
        give_up(f"no links between clusters: {'; '.join(lacks)}")
    name = f"fedjobs-test-{uuid.uuid4().hex[:6]}"
    make_namespace(name)
    yield name
    for process in processes.running(tmp_path):
        processes.kill(process.pid)
    remove_namespace(name)


@pytest.fixture
def proxy(namespace: str, tmp_path: Path) -> Proxy:
    """A proxy that permits its own host to connect to port 443 only."""
    within = functools.partial(inside, namespace)
    proxy = Proxy(tmp_path, HERE, within)
    proxy.start(client=HERE, port=443, reachable=functools.partial(reaches, within))
    return proxy


def listen(proxy: Proxy, port: int) -> None:
    """Listens at the proxy's host until the proxy's folder is cleared."""
    processes.start(proxy.folder, f"listener-{port}", proxy.inside(sys.executable, "-c", _LISTEN, str(port)))
    wait_until("the port is open", functools.partial(reaches, proxy.inside, HERE, port))


def test_only_one_port_is_permitted_and_each_request_is_logged(proxy: Proxy) -> None:
    listen(proxy, 443)
    listen(proxy, 444)
    way = (HERE, proxies.PORT)
    assert reaches_through(proxy.inside, way, HERE, 443)
    assert not reaches_through(proxy.inside, way, HERE, 444)
    assert [place.split(" ")[0] for place in proxy.asked_for()] == [f"{HERE}:443", f"{HERE}:444"]


def test_it_ends(proxy: Proxy) -> None:
    assert proxies.PART in processes.parts(proxy.folder)
    proxy.end()
    assert processes.parts(proxy.folder) == set()


def test_a_restart_replaces_the_proxy(proxy: Proxy) -> None:
    [before] = [each.pid for each in processes.running(proxy.folder)]
    proxy.start(client=HERE, port=443, reachable=functools.partial(reaches, proxy.inside))
    assert not psutil.pid_exists(before)
    assert reaches(proxy.inside, HERE, proxies.PORT)
