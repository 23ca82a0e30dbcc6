"""Landlock: a process and its children reach only the files of a view, no TCP port, and no process outside.

It works for every user and in containers, and adds to namespaces. https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

from fedjobs_worker import kernel_calls
from fedjobs_worker.kernel_calls import KernelCallError, checked
from fedjobs_worker.runner.sandbox import system_calls
from fedjobs_worker.runner.sandbox.views import View

_FIRST_VERSION = 3  # of Linux 6.2: earlier ones let a process truncate each file
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_READ_FILE, _WRITE_FILE, _READ_FOLDER, _DEVICE_CONTROL = 1 << 2, 1 << 1, 1 << 3, 1 << 15
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_PR_SET_NO_NEW_PRIVS = 38


def version() -> int:
    """Returns the version of the kernel's Landlock, or 0 if it has none, or only one that is too old."""
    numbers = system_calls.NUMBERS.get(platform.machine())
    if numbers is None or platform.system() != "Linux":
        return 0
    number = ctypes.c_long(numbers["landlock_create_ruleset"])
    found = int(kernel_calls.libc().syscall(number, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_FLAG)))
    return found if found >= _FIRST_VERSION else 0


def confine(view: View, *more: str) -> None:
    """Restricts this process, which must have a single thread, and its children.

    Args:
        view: The files that they can read.
        more: Other folders that they can read if they exist.

    Raises:
        KernelCallError: The kernel has no Landlock.
    """
    kernel = version()
    if not kernel:
        raise KernelCallError("the kernel has no Landlock of version 3 or later")
    numbers, libc = system_calls.NUMBERS[platform.machine()], kernel_calls.libc()
    accesses = (1 << (16 if kernel >= 5 else 15)) - 1
    ports = _BIND_TCP | _CONNECT_TCP if kernel >= 4 else 0
    scopes = _ABSTRACT_SOCKETS | _SIGNALS if kernel >= 6 else 0
    attributes = struct.pack("=QQQ", accesses, ports, scopes)[: 24 if scopes else 16 if ports else 8]
    create = ctypes.c_long(numbers["landlock_create_ruleset"])
    rules = int(libc.syscall(create, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)))
    if rules < 0:
        raise KernelCallError(f"landlock_create_ruleset failed: {os.strerror(ctypes.get_errno())}")
    try:
        for path in (*view.readable, *filter(os.path.exists, more)):
            _allow(rules, path, _READ_FILE | (_READ_FOLDER if os.path.isdir(path) else 0))
        for path in view.devices:
            _allow(rules, path, accesses & (_READ_FILE | _WRITE_FILE | _DEVICE_CONTROL))
        checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
        restrict = ctypes.c_long(numbers["landlock_restrict_self"])
        checked(libc.syscall(restrict, ctypes.c_int(rules), ctypes.c_uint(0)), "landlock_restrict_self")
    finally:
        os.close(rules)


def _allow(rules: int, path: str, accesses: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise KernelCallError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        rule = struct.pack("=Qi", accesses, file)
        number = ctypes.c_long(system_calls.NUMBERS[platform.machine()]["landlock_add_rule"])
        arguments = (ctypes.c_int(rules), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint(0))
        checked(kernel_calls.libc().syscall(number, *arguments), f"landlock_add_rule({path})")
    finally:
        os.close(file)
