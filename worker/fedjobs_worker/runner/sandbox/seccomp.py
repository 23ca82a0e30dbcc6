"""The seccomp filters of a runner host and of its runners. They apply to a process and its children until they end.

A filter refuses the calls that reach other processes, the network, the kernel's configuration or other programs. It
lists what is refused, and not what is allowed: TensorFlow, the C library and GPU drivers use hundreds of calls, which
change with their versions. A refused call fails with EPERM and does not kill the process, because TensorFlow may only
probe for a feature. https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

from fedjobs_worker import kernel_calls
from fedjobs_worker.kernel_calls import KernelCallError, checked
from fedjobs_worker.runner.sandbox import system_calls

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_TSYNC = 1  # applies to all threads, in case a library has started one
_CLONE_THREAD = 0x10000
_NEW_NAMESPACES = 0x7E020080  # the flags of clone for all namespaces

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_OR_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000  # the numbers of system calls of the x32 ABI start here


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


@dataclass(frozen=True)
class _Test:
    """What follows the number of a call that is allowed for some first arguments only."""

    jump: int
    operand: int
    allowed_if: bool


def confine_host() -> None:
    """Applies the filter of a runner host, which can still accept connections and fork.

    Raises:
        KernelCallError: This machine does not support the filter.
    """
    _apply(host=True)


def confine_runner() -> None:
    """Applies the filter of a runner, which can start threads, but no process.

    Raises:
        KernelCallError: This machine does not support the filter. The runner must not run a shard then.
    """
    _apply(host=False)


def _apply(*, host: bool) -> None:
    numbers = system_calls.NUMBERS.get(platform.machine())
    if numbers is None or platform.system() != "Linux":
        known = ", ".join(system_calls.NUMBERS)
        raise KernelCallError(
            f"there is no sandbox for {platform.system()} on {platform.machine()}, only for Linux on {known}"
        )
    libc = kernel_calls.libc()
    checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    instructions = program(platform.machine(), host=host, process=os.getpid())
    filter_ = _Program(len(instructions) // 8, instructions)
    flags = _SECCOMP_FILTER_FLAG_TSYNC
    number = ctypes.c_long(numbers["seccomp"])
    checked(libc.syscall(number, _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(filter_)), "seccomp")


def program(machine: str, *, host: bool, process: int) -> bytes:
    """Returns a filter as classic BPF.

    Args:
        machine: The machine's architecture, x86_64 or aarch64.
        host: Whether the filter is for a host. A runner gets both.
        process: The runner's pid, to which its threads can send signals.
    """
    numbers = system_calls.NUMBERS[machine]
    refused = set(system_calls.REFUSED) if host else set(system_calls.REFUSED) | set(system_calls.REFUSED_TO_RUNNERS)
    tests = {
        # Of this process only, not of others with the same user.
        "prlimit64": _Test(_JUMP_EQUAL, 0, allowed_if=True),
        # A host forks. A runner starts threads.
        "clone": (
            _Test(_JUMP_SET, _NEW_NAMESPACES, allowed_if=False)
            if host
            else _Test(_JUMP_SET, _CLONE_THREAD, allowed_if=True)
        ),
    }
    if not host:
        tests["tgkill"] = _Test(_JUMP_EQUAL, process, allowed_if=True)  # abort() sends a signal to its own thread
    refuse, allow = _instruction(_RETURN, _ERRNO | errno.EPERM), _instruction(_RETURN, _ALLOW)
    parts = [
        _instruction(_LOAD, _AT_ARCHITECTURE),
        _instruction(_JUMP_EQUAL, system_calls.AUDIT_ARCHITECTURES[machine], 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _AT_NUMBER),
        _instruction(_JUMP_GREATER_OR_EQUAL, _X32, 0, 1),
        refuse,
        # Its flags are in memory, which a filter cannot read. The C library uses clone where there is no clone3.
        _instruction(_JUMP_EQUAL, numbers["clone3"], 0, 1),
        _instruction(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    for name in sorted(refused & set(numbers)):
        parts += [_instruction(_JUMP_EQUAL, numbers[name], 0, 1), refuse]
    for name, test in tests.items():
        yes, no = (allow, refuse) if test.allowed_if else (refuse, allow)
        parts += [
            _instruction(_JUMP_EQUAL, numbers[name], 0, 4),
            _instruction(_LOAD, _AT_FIRST_ARGUMENT),
            _instruction(test.jump, test.operand, 0, 1),
            yes,
            no,
        ]
    return b"".join([*parts, allow])


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Returns an instruction. A jump has the number of instructions to skip if true, and if false."""
    return struct.pack("=HBBI", code, if_true, if_false, operand)
