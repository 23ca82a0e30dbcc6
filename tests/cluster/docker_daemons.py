"""Starts a Docker daemon for kind if none responds: Debian's, in a separate network namespace, with cached data.

Its changes to iptables and routes stay in the namespace. It listens on a unix socket only. The link 10.86.0.0/30
connects the namespace to this machine. Containers' ports are published at one end, and servers of this machine are at
the other end.
"""

from __future__ import annotations

import contextlib
import functools
import re
from pathlib import Path

import psutil

from tests.cluster import binaries, networks, processes, readiness, requirements
from tests.cluster.dockers import Docker
from tests.cluster.errors import ClusterError

NAMESPACE = "fedjobs-docker"
LINK = "fedjobs-docker"
MACHINE, ADDRESS = "10.86.0.1", "10.86.0.2"
PART = "dockerd"
RUNTIME = Path(__file__).with_name("runc-without-sys-resource")
_SYS_RESOURCE = 24  # the number of the capability
_LONGEST = 80  # characters; the limit for a socket's path is 107


def folder() -> Path:
    """Returns the folder of the daemon's data. It keeps images from one start to the next."""
    return binaries.cache_folder().with_name("docker")


def existing() -> Docker | None:
    """Returns the daemon if it responds."""
    docker = Docker(folder() / "docker.sock", ADDRESS, MACHINE, NAMESPACE)
    return docker if docker.socket and docker.socket.exists() and docker.succeeds("version") else None


def ensured() -> Docker:
    """Returns the daemon. Starts it if it does not run.

    Raises:
        ClusterError: A requirement is missing, or the daemon did not start. Then nothing of it is left.
    """
    there = existing()
    if there is not None:
        return there
    requirements.require(requirements.missing_for_docker())
    if len(str(folder())) > _LONGEST:
        raise ClusterError(f"{folder()} is too long for a socket's path. Set XDG_CACHE_HOME to a shorter path")
    end()
    try:
        _lay_link()
        lacks = lacks_sys_resource(Path("/proc/self/status").read_text())
        process = processes.start(folder(), PART, networks.inside(NAMESPACE, *command(folder(), lacks=lacks)))
        ended = functools.partial(readiness.ending, process, processes.log_of(folder(), PART))
        readiness.wait_until("the Docker daemon responds", lambda: existing() is not None, broken=ended)
    except BaseException:
        end()
        raise
    return Docker(folder() / "docker.sock", ADDRESS, MACHINE, NAMESPACE)


def end() -> None:
    """Stops the daemon and its child processes. Its data stays."""
    for process in list(processes.running(folder())):
        with contextlib.suppress(psutil.NoSuchProcess):  # the process has ended since
            if process.name() == PART:
                process.terminate()  # the daemon unmounts its mounts
                psutil.wait_procs([process], timeout=60)

    def ended() -> bool:
        alive = list(processes.running(folder()))
        for process in alive:
            processes.kill(process.pid)
        return not alive

    readiness.wait_until("the Docker daemon ends", ended, seconds=60)
    networks.remove_namespace(NAMESPACE)
    for name in ("docker.sock", "docker.pid"):
        (folder() / name).unlink(missing_ok=True)


def command(place: Path, *, lacks: bool) -> list[str]:
    """Returns the command that starts the daemon.

    Args:
        place: The folder of its data.
        lacks: Whether this machine's processes lack CAP_SYS_RESOURCE.
    """
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
    options = [f"--{option}={place / name}" for option, name in places.items()]
    if lacks:
        options += [f"--add-runtime=fewer={RUNTIME}", "--default-runtime=fewer"]
    return [requirements.program("dockerd"), f"--host=unix://{place / 'docker.sock'}", *options]


def lacks_sys_resource(status: str) -> bool:
    """Returns whether a process with this /proc/PID/status, and its children, lack CAP_SYS_RESOURCE."""
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return found is not None and not int(found[1], 16) >> _SYS_RESOURCE & 1


def _lay_link() -> None:
    ip = requirements.program("ip")
    networks.make_namespace(NAMESPACE)
    networks.run(ip, *f"link add {LINK} type veth peer name machine0 netns {NAMESPACE}".split())
    networks.run(*networks.inside(NAMESPACE, ip, "address", "add", f"{ADDRESS}/30", "dev", "machine0"))
    networks.run(*networks.inside(NAMESPACE, ip, "link", "set", "machine0", "up"))
    networks.run(ip, "address", "add", f"{MACHINE}/30", "dev", LINK)
    networks.run(ip, "link", "set", LINK, "up")
