"""What code in a runner can reach: it tries each attack in a runner of a real host.

The table of docs/security.md has the results. The victims are processes, files and sockets of the user that starts the
host, as the session and the agent are on a machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from fedjobs_worker.channels.channel import Channel, connected
from fedjobs_worker.runner.sandbox import limits

from tests.docs.pages import ROOT
from tests.worker import hostile_runner
from tests.worker.conftest import wait_until
from tests.worker.hostile_runner import ATTACKS, Targets

pytestmark = pytest.mark.processes

USER = 65533
LIBC = ctypes.CDLL(None, use_errno=True)
COLUMNS = {"nothing": "without a sandbox", "namespaces": "namespaces", "landlock": "Landlock only"}
LIMITS = limits.defaults(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), os.cpu_count() or 1)

AS_A_USER = f"""
set -e
home=$(mktemp -d)
base={sys.base_prefix}
if [ ${{base#/root/}} != $base ]; then
  mount --bind $base $home
  mount -t tmpfs -o mode=755 none /root
  mkdir -p $base
  mount --move $home $base
fi
exec setpriv --reuid {USER} --regid {USER} --clear-groups "$@"
"""
"""Runs a command as an unprivileged user. Its interpreter may be below /root, so a copy of the mounts shows it."""

AS_IN_A_CONTAINER = """
set -e
for limit in /proc/sys/user/max_*_namespaces; do echo 0 > $limit; done
exec setpriv --inh-caps=-all --bounding-set=-all "$@"
"""
"""Runs a command where nobody can create namespaces, and without capabilities."""

SURROUNDINGS: dict[str, list[str]] = {
    "root": [],
    "user": ["unshare", "--mount", "sh", "-c", AS_A_USER, "sh"],
    "container": ["unshare", "--user", "--map-root-user", "sh", "-c", AS_IN_A_CONTAINER, "sh"],
}


@dataclass(frozen=True)
class Machine:
    """A machine with targets."""

    targets: Targets
    folder: Path
    command: Sequence[str]

    def host(self, *options: str) -> list[str]:
        module = ["tests.worker.hostile_runner", "--listen", f"{self.folder}/runner.sock"]
        return [*self.command, sys.executable, "-m", *module, *options]

    def attacked(self, *options: str) -> dict[str, bool]:
        """Starts a host, and returns which attacks of a runner were possible."""
        host = subprocess.Popen(self.host(*options), cwd=ROOT)
        try:
            wait_until(lambda: host.poll() is not None or Path(f"{self.folder}/runner.sock").exists())
            with contextlib.closing(Channel(connected(f"{self.folder}/runner.sock"))) as channel:
                return hostile_runner.attack(channel, Targets(**{**self.targets.__dict__, "keeper": host.pid}))
        finally:
            host.terminate()
            host.wait(20)


@contextlib.contextmanager
def machine(surroundings: str) -> Iterator[Machine]:
    """Makes targets that belong to the user that starts the host."""
    missing = [tool for tool in ("unshare", "setpriv") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root, and {' and '.join(missing) or 'unshare and setpriv'} (package util-linux)")
    user = USER if surroundings == "user" else 0
    segment = LIBC.shmget(0, 4096, 0o1666)
    victim = subprocess.Popen(["sleep", "1000"], env={"SECRET": "x"}, user=user, group=user, extra_groups=())
    with (
        tempfile.TemporaryDirectory(prefix="fj") as name,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        folder = Path(name)
        key = folder / "tls.key"
        key.write_text("secret")
        key.chmod(0o600)
        receiver.bind(f"{folder}/datagrams")
        abstract.bind(f"\0{folder}/datagrams")
        for path in (folder, key, folder / "datagrams"):
            os.chown(path, user, user)
        try:
            targets = Targets(
                str(key), str(folder), victim.pid, 0, f"{folder}/datagrams", int(server.getsockname()[1]), segment
            )
            yield Machine(targets, folder, SURROUNDINGS[surroundings])
        finally:
            victim.kill()
            victim.wait()
            LIBC.shmctl(segment, 0, None)
            Path("/dev/shm/fedjobs-hostile").unlink(missing_ok=True)  # noqa: S108


def silo_limits() -> list[str]:
    return ["--most-memory", str(LIMITS.memory), "--most-threads", str(LIMITS.threads)]


def documented() -> dict[str, dict[str, bool]]:
    """Returns the table of docs/security.md: which attack is possible, by the name of a column."""
    page = (ROOT / "docs" / "security.md").read_text()
    found = re.search(r"<!-- measured: runner -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert found is not None
    head, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines() if line.startswith("|")
    )
    assert all(cell in ("yes", "no") for row in rows for cell in row[1:])
    return {column: {row[0]: row[number] == "yes" for row in rows} for number, column in enumerate(head) if number}


@pytest.mark.parametrize(
    ("surroundings", "column"), [("root", "namespaces"), ("user", "namespaces"), ("container", "landlock")]
)
def test_the_table_of_what_a_runner_can_do_is_what_it_can_do(surroundings: str, column: str) -> None:
    with machine(surroundings) as attacked:
        assert attacked.attacked(*silo_limits()) == documented()[COLUMNS[column]]


def test_without_a_sandbox_each_attack_is_possible() -> None:
    """Otherwise the table would not prove anything."""
    with machine("root") as attacked:
        targets = Targets(**{**attacked.targets.__dict__, "keeper": attacked.targets.victim})
        code = "import json, sys\nfrom tests.worker.hostile_runner import *\n"
        code += "import signal; _ = signal.signal(signal.SIGCONT, signal.SIG_IGN)\n"
        code += f"print(json.dumps(possible(Targets(**{targets.__dict__!r}))))"
        printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=100)
    assert json.loads(printed.stdout) == documented()[COLUMNS["nothing"]] == dict.fromkeys(ATTACKS, True)


def test_a_host_that_must_isolate_ends_where_it_cannot() -> None:
    """This kernel has Landlock, so the test hides it."""
    hide = "from fedjobs_worker.runner.sandbox import landlock; landlock.version = lambda: 0; "
    code = hide + "from fedjobs_worker.runner import host; import sys; sys.exit(host.main(sys.argv[1:]))"
    with machine("container") as attacked:
        arguments = ["--listen", f"{attacked.folder}/runner.sock", "--require-isolation"]
        done = subprocess.run(
            [*attacked.command, sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 71
    assert "It has: seccomp." in done.stderr
    assert "--trust-job-owners" in done.stderr
