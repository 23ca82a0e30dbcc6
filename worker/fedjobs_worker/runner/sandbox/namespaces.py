"""Namespaces of a runner host: it sees no process, no network, no other user, and only the files of its view.

The calls need root, or a kernel that lets each user create user namespaces. Where neither is so, as in most containers,
they fail, and the process is as it was.
https://man7.org/linux/man-pages/man7/namespaces.7.html
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path

from fedjobs_worker import kernel_calls
from fedjobs_worker.kernel_calls import KernelCallError, checked
from fedjobs_worker.runner.sandbox import system_calls
from fedjobs_worker.runner.sandbox.views import View

NOBODY = 65534
"""The user and the group of runners if the silo's processes run as root."""

_NEW_MOUNTS, _NEW_CGROUP, _NEW_UTS, _NEW_IPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
_NEW_USER, _NEW_PID, _NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
_NOSUID, _NODEV, _NOEXEC, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
_DETACH = 2
_ATTRIBUTE_READ_ONLY, _ATTRIBUTE_NOSUID, _ATTRIBUTE_NODEV, _ATTRIBUTE_NOEXEC = 1, 2, 4, 8
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_OLD = "/.old"


def leave_others() -> None:
    """Creates all namespaces. The first child of this process is the first process of the new pid namespace.

    The mounts are still those of the machine.

    Raises:
        KernelCallError: This process may not create namespaces.
    """
    user, group = os.geteuid(), os.getegid()
    flags = _NEW_MOUNTS | _NEW_CGROUP | _NEW_UTS | _NEW_IPC | _NEW_PID | _NEW_NETWORK
    if user == 0:
        _unshare(flags)
        return
    _unshare(flags | _NEW_USER)
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError as error:
        raise KernelCallError(f"the user cannot be mapped: {error.strerror}") from error


def hide_files(view: View) -> None:
    """Replaces the machine's files by an empty file system with the view, all read-only.

    Raises:
        KernelCallError: This process may not mount.
    """
    try:
        sources = {path: os.path.realpath(path) for path in (*view.readable, *view.devices)}
        links = {path: os.readlink(path) for path in view.readable if os.path.islink(path)}
        _mount("none", "/", "", _RECURSIVE | _PRIVATE)
        _mount("none", "/tmp", "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")  # noqa: S108 (exists on every machine)
        os.chdir("/tmp")  # noqa: S108
        os.mkdir(_OLD[1:], 0o700)
        checked(kernel_calls.libc().pivot_root(b".", _OLD[1:].encode()), "pivot_root")
        os.chdir("/")
        for path, source in sources.items():
            if path == "/proc":
                _show_processes()
            elif path in links and not os.path.isabs(links[path]):
                _parents(path)
                os.symlink(links[path], path)  # such as /lib, which leads to usr/lib
            else:
                _show(source, path, device=path in view.devices)
        if "/proc" not in sources:
            os.makedirs("/proc/self", exist_ok=True)
            os.symlink("/runner", "/proc/self/exe")  # TensorFlow asks for its program, and aborts without an answer
        checked(kernel_calls.libc().umount2(_OLD.encode(), _DETACH), "umount2")
        os.rmdir(_OLD)
        _set_attributes("/", _ATTRIBUTE_READ_ONLY | _ATTRIBUTE_NOSUID | _ATTRIBUTE_NODEV, recursive=False)
    except OSError as error:
        raise KernelCallError(f"the files cannot be hidden: {error}") from error


def become_nobody() -> None:
    """Gives up root, if this process has it, for a user that owns nothing, in a user namespace.

    Raises:
        KernelCallError: A call failed.
    """
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        raise KernelCallError(f"root cannot be given up: {error.strerror}") from error
    # The kernel counts the threads of each user in each user namespace.
    _unshare(_NEW_USER)


def _unshare(flags: int) -> None:
    checked(kernel_calls.libc().unshare(ctypes.c_int(flags)), "unshare")


def _show(source: str, path: str, *, device: bool) -> None:
    """Mounts a file or folder of the old root at its path, read-only. A read-only device can still be written to."""
    _parents(path)
    if os.path.isdir(_OLD + source):
        os.makedirs(path, exist_ok=True)
    elif not os.path.exists(path):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    _mount(_OLD + source, path, "", _BIND | _RECURSIVE)
    _set_attributes(
        path,
        _ATTRIBUTE_READ_ONLY | _ATTRIBUTE_NOSUID | (_ATTRIBUTE_NOEXEC if device else _ATTRIBUTE_NODEV),
        recursive=True,
    )


def _show_processes() -> None:
    """Mounts /proc of the own pid namespace, for GPU libraries. Containers may forbid it."""
    os.makedirs("/proc", exist_ok=True)
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    _set_attributes("/proc", _ATTRIBUTE_READ_ONLY | _ATTRIBUTE_NOSUID | _ATTRIBUTE_NODEV, recursive=True)


def _parents(path: str) -> None:
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    names = (source.encode(), target.encode(), kind.encode() or None)
    arguments = (*names, ctypes.c_ulong(flags), options.encode() or None)
    checked(kernel_calls.libc().mount(*arguments), f"mount({target})")


def _set_attributes(path: str, attributes: int, *, recursive: bool) -> None:
    # struct mount_attr: set, clear, propagation, user namespace
    content = struct.pack("=QQQQ", attributes, 0, 0, 0)
    number = system_calls.NUMBERS[platform.machine()]["mount_setattr"]
    flags = _AT_RECURSIVE if recursive else 0
    libc = kernel_calls.libc()
    arguments = (ctypes.c_int(_AT_FDCWD), path.encode(), ctypes.c_uint(flags), content, ctypes.c_size_t(len(content)))
    checked(libc.syscall(ctypes.c_long(number), *arguments), f"mount_setattr({path})")
