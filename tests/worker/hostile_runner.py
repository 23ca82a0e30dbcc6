"""A runner host whose runners attack: `python -m tests.worker.hostile_runner --listen PATH ...`.

The keeper, the host, the fork and the sandbox are the real ones. Only TensorFlow and the code that serves a session are
replaced: a runner receives the targets, tries each attack, and returns what was possible. So the attacks run as code
that has taken over a runner.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import socket
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import asdict, dataclass

from fedjobs_worker.channels.channel import Channel
from fedjobs_worker.runner import host

_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE_SEIZE = 0x4206
_NEW_USER_NAMESPACE = 0x10000000


@dataclass(frozen=True)
class Targets:
    """What the attacks aim at. All belong to the user that started the runner host.

    Attributes:
        key: A file of the silo with mode 0600.
        folder: A folder of the silo.
        victim: The pid of another process, which has `SECRET` in its environment.
        keeper: The pid of the process that was started first.
        socket: A Unix socket that receives datagrams.
        port: A TCP port of this machine with a listener.
        segment: The id of a System V shared memory segment.
    """

    key: str
    folder: str
    victim: int
    keeper: int
    socket: str
    port: int
    segment: int


def _checked(result: int) -> None:
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")


def _read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def _write(path: str) -> None:
    with open(path, "ab") as file:
        file.write(b"x")


def _open_memory(pid: int) -> None:
    os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))


def _send_datagram(where: str | bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", where)


def _send_through_pair(where: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.sendto(b"x", where)


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _exec() -> None:
    try:
        os.execv("/nowhere", ["nowhere"])
    except FileNotFoundError:
        return  # the call was allowed; a program that exists would end the attacks


def _read_memory(pid: int) -> None:
    buffer = ctypes.create_string_buffer(1)

    class Piece(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    here, there = Piece(ctypes.addressof(buffer), 1), Piece(id(buffer), 1)
    if _LIBC.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) == -1:
        number = ctypes.get_errno()
        if number != errno.EFAULT:  # the address is wrong, but the process could be read
            raise OSError(number, "refused")


def _see_processes() -> None:
    others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    if not others:
        raise OSError(errno.ENOENT, "no other process")


def _attach_segment(segment: int) -> None:
    _LIBC.shmat.restype = ctypes.c_ssize_t
    _checked(_LIBC.shmat(segment, None, 0))


def _start_threads() -> None:
    """Starts up to 5000 threads at a time."""
    over = threading.Event()
    threads = []
    threading.stack_size(64 * 1024)
    try:
        for _ in range(5000):
            threads.append(threading.Thread(target=over.wait))
            threads[-1].start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error
    finally:
        over.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _take_memory() -> None:
    """Reserves twice the memory of the machine."""
    _LIBC.mmap.restype = ctypes.c_ssize_t
    size = 2 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    private, anonymous, no_reserve = 2, 0x20, 0x4000
    address = _LIBC.mmap(None, ctypes.c_size_t(size), 3, private | anonymous | no_reserve, -1, ctypes.c_long(0))
    _checked(address)
    _LIBC.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))


ATTACKS: dict[str, Callable[[Targets], object]] = {
    "read a key of the silo": lambda at: _read(at.key),
    "list the silo's folder": lambda at: os.listdir(at.folder),
    "write to a file of the silo": lambda at: _write(at.key),
    "create a file in the silo's folder": lambda at: _write(f"{at.folder}/new"),
    "change the mode of a file of the silo": lambda at: os.chmod(at.key, 0o600),
    "create a file in `/tmp` or `/dev/shm`": lambda _: _write("/dev/shm/fedjobs-hostile"),  # noqa: S108
    "see whether a file exists": lambda at: os.stat(at.key),
    "read `/etc/passwd`": lambda _: _read("/etc/passwd"),
    "see other processes in `/proc`": lambda _: _see_processes(),
    "read the environment of another process": lambda at: _read(f"/proc/{at.victim}/environ"),
    "open the memory of another process": lambda at: _open_memory(at.victim),
    "open the memory of the process that started the runner host": lambda at: _open_memory(at.keeper),
    "open the memory of the runner host": lambda _: _open_memory(os.getppid()),
    "read the memory of another process by `process_vm_readv`": lambda at: _read_memory(at.victim),
    "trace another process": lambda at: _checked(_LIBC.ptrace(_PTRACE_SEIZE, at.victim, 0, 0)),
    "send a signal to another process": lambda at: os.kill(at.victim, signal.SIGCONT),
    "send a signal to the runner host": lambda _: os.kill(os.getppid(), signal.SIGCONT),
    "set a limit of another process": lambda at: resource.prlimit(at.victim, resource.RLIMIT_CORE, (0, 0)),
    "set a limit of the runner host": lambda _: resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0)),
    "create a process": lambda _: _fork(),
    "run a program": lambda _: _exec(),
    "create an internet socket": lambda _: socket.socket(socket.AF_INET).close(),
    "create a netlink socket": lambda _: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "create a Unix socket": lambda _: socket.socket(socket.AF_UNIX).close(),
    "send a datagram to a Unix socket": lambda at: _send_datagram(at.socket),
    "send a datagram to an abstract Unix socket": lambda at: _send_datagram(f"\0{at.socket}"),
    "send a datagram through a pair of sockets": lambda at: _send_through_pair(at.socket),
    "attach System V shared memory": lambda at: _attach_segment(at.segment),
    "create a user namespace": lambda _: _checked(_LIBC.unshare(_NEW_USER_NAMESPACE)),
    "start 5000 threads": lambda _: _start_threads(),
    "reserve twice the machine's memory": lambda _: _take_memory(),
    "create a memory file": lambda _: os.close(os.memfd_create("x")),
    "write lines to the log of the runner host": lambda _: os.write(2, b"a line of a hostile runner\n"),
}


def possible(targets: Targets) -> dict[str, bool]:
    """Tries each attack, and returns whether it was possible."""
    return {name: _succeeds(attack, targets) for name, attack in ATTACKS.items()}


def _succeeds(attack: Callable[[Targets], object], targets: Targets) -> bool:
    try:
        attack(targets)
    except OSError:
        return False
    return True


def _serve(channel: Channel, _threads: int | None, _greeted: Callable[[str, str], None]) -> None:
    message, _ = channel.receive()
    channel.send(json.dumps(possible(Targets(**json.loads(message)))).encode())


def attack(channel: Channel, targets: Targets) -> dict[str, bool]:
    """Lets a runner attack. Called by the test."""
    channel.send(json.dumps(asdict(targets)).encode())
    answer, _ = channel.receive()
    return {str(name): bool(was_possible) for name, was_possible in json.loads(answer).items()}


if __name__ == "__main__":
    hostile = types.ModuleType("fedjobs_worker.runner.runs")
    hostile.serve = _serve  # type: ignore[attr-defined]
    sys.modules["fedjobs_worker.runner.runs"] = hostile
    host._import_tensorflow = lambda: None
    sys.exit(host.main())
