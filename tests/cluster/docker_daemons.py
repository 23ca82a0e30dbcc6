"""A Docker daemon for kind where none answers: Debian's, in a network namespace of its own, its data in a cache.

What it does to iptables and routes stays in the namespace. It listens on a unix socket alone. One link, 10.86.0.0/30,
leads to this machine: containers' ports are published at one end of it, and servers of this machine are at the other.
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
_LONGEST = 80  # characters; a socket's path has at most 107


def folder() -> Path:
    """Where its data is: images stay from one start to the next."""
    return binaries.cache_folder().with_name("docker")


def existing() -> Docker | None:
    """The daemon, if it runs and answers."""
    docker = Docker(folder() / "docker.sock", ADDRESS, MACHINE, NAMESPACE)
    return docker if docker.socket and docker.socket.exists() and docker.succeeds("version") else None


def ensured() -> Docker:
    """The daemon, started if it does not run.

    Raises:
        ClusterError: something is missing on this machine, or it did not start; then nothing of it stays.
    """
    there = existing()
    if there is not None:
        return there
    requirements.require(requirements.missing_for_docker())
    if len(str(folder())) > _LONGEST:
        raise ClusterError(f"{folder()} is too long a path for sockets: set XDG_CACHE_HOME to a shorter one")
    end()
    try:
        _lay_link()
        lacks = lacks_sys_resource(Path("/proc/self/status").read_text())
        process = processes.start(folder(), PART, networks.inside(NAMESPACE, *command(folder(), lacks=lacks)))
        ended = functools.partial(readiness.ending, process, processes.log_of(folder(), PART))
        readiness.wait_until("Docker's daemon answers", lambda: existing() is not None, broken=ended)
    except BaseException:
        end()
        raise
    return Docker(folder() / "docker.sock", ADDRESS, MACHINE, NAMESPACE)


def end() -> None:
    """End the daemon and what it started, if it runs; its data stays."""
    for process in list(processes.running(folder())):
        with contextlib.suppress(psutil.NoSuchProcess):  # another one of them, that ended meanwhile
            if process.name() == PART:
                process.terminate()  # it unmounts what it has mounted
                psutil.wait_procs([process], timeout=60)

    def ended() -> bool:
        alive = list(processes.running(folder()))
        for process in alive:
            processes.kill(process.pid)
        return not alive

    readiness.wait_until("Docker's daemon has ended", ended, seconds=60)
    networks.remove_namespace(NAMESPACE)
    for name in ("docker.sock", "docker.pid"):
        (folder() / name).unlink(missing_ok=True)


def command(place: Path, *, lacks: bool) -> list[str]:
    """What starts it.

    Args:
        place: its folder.
        lacks: whether this machine's processes lack CAP_SYS_RESOURCE.
    """
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
    options = [f"--{option}={place / name}" for option, name in places.items()]
    if lacks:
        options += [f"--add-runtime=fewer={RUNTIME}", "--default-runtime=fewer"]
    return [requirements.program("dockerd"), f"--host=unix://{place / 'docker.sock'}", *options]


def lacks_sys_resource(status: str) -> bool:
    """Whether a process with this /proc/PID/status, and all that it starts, lack CAP_SYS_RESOURCE."""
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
