"""The sandbox of a runner, which blocks the network, other programs and other processes before a graph is loaded.

The graph of a computation is untrusted. The policy decides which operations it may contain. The sandbox is a second
line of defence, for operations with a vulnerability. The seccomp filter applies to the process and its children until
they end. A blocked call fails with EPERM and does not kill the process, because TensorFlow may only probe for a
feature.
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import platform
import resource
import socket
import struct
from dataclasses import dataclass

from fedjobs_worker import kernel_calls
from fedjobs_worker.kernel_calls import KernelCallError, checked

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_TSYNC = 1  # applies to all threads, in case a library has started one

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_OR_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000  # the numbers of system calls of the x32 ABI start here


@dataclass(frozen=True)
class _Architecture:
    audit: int
    seccomp: int
    socket: int
    refused: tuple[int, ...]


_ARCHITECTURES = {
    # refused: connect bind listen accept accept4, execve execveat, ptrace process_vm_readv process_vm_writev
    # pidfd_getfd, io_uring_{setup,enter,register} (they can do what the calls above do), bpf perf_event_open
    # userfaultfd, open_by_handle_at, mount unshare setns, add_key request_key keyctl, kexec_load init_module
    # finit_module
    "x86_64": _Architecture(
        0xC000003E, 317, 41, (42, 49, 50, 43, 288, 59, 322, 101, 310, 311, 438, 425, 426, 427, 321, 298, 323, 304, 165,
        272, 308, 248, 249, 250,
         246, 175, 313),
    ),
    "aarch64": _Architecture(
        0xC00000B7, 277, 198, (203, 200, 201, 202, 242, 221, 281, 117, 270, 271, 438, 425, 426, 427, 280, 241, 282,
        265, 40, 97, 268, 217, 218,
         219, 104, 105, 273),
    ),
}  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def enter() -> None:
    """Enters the sandbox. The process cannot leave it.

    Raises:
        KernelCallError: This machine does not support the sandbox. The runner must not run a shard then.
    """
    architecture = _ARCHITECTURES.get(platform.machine())
    if architecture is None or platform.system() != "Linux":
        known = ", ".join(_ARCHITECTURES)
        raise KernelCallError(
            f"there is no sandbox for {platform.system()} on {platform.machine()}, only for Linux on {known}"
        )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would contain samples
    libc = kernel_calls.libc()
    checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    instructions = _filter(architecture)
    program = _Program(len(instructions) // 8, instructions)
    number = ctypes.c_long(architecture.seccomp)
    flags = _SECCOMP_FILTER_FLAG_TSYNC
    checked(libc.syscall(number, _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(program)), "seccomp")


def _filter(architecture: _Architecture) -> bytes:
    """Returns the filter as classic BPF. A jump has the number of instructions to skip if true, and if false."""
    refuse = _instruction(_RETURN, _ERRNO | errno.EPERM)
    parts = [
        _instruction(_LOAD, _AT_ARCHITECTURE),
        _instruction(_JUMP_EQUAL, architecture.audit, 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _AT_NUMBER),
        _instruction(_JUMP_GREATER_OR_EQUAL, _X32, 0, 1),
        refuse,
    ]
    for number in architecture.refused:
        parts += [_instruction(_JUMP_EQUAL, number, 0, 1), refuse]
    parts += [
        _instruction(_JUMP_EQUAL, architecture.socket, 1, 0),
        _instruction(_RETURN, _ALLOW),
        _instruction(_LOAD, _AT_FIRST_ARGUMENT),
        _instruction(_JUMP_EQUAL, socket.AF_UNIX, 0, 1),
        _instruction(_RETURN, _ALLOW),
        refuse,
    ]
    return b"".join(parts)


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)
