"""Resource limits of a runner host and its runners.

https://man7.org/linux/man-pages/man2/getrlimit.2.html
"""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass
from pathlib import Path

_MOST_FILES = 4096
_SHARE_OF_MEMORY = 0.8
_LEAST_THREADS, _THREADS_PER_CORE = 1024, 64


@dataclass(frozen=True)
class Limits:
    """Limits of a runner.

    Attributes:
        memory: The most private memory of one process in bytes, and the largest file that it writes. None: no limit.
        threads: The most threads and processes of a host and its runners together. None: no limit. It needs a user
            namespace, because the kernel counts the threads of a user, and the silo may have the same user.
    """

    memory: int | None = None
    threads: int | None = None


def defaults(memory: int, cores: int) -> Limits:
    """Returns the limits of a silo's runners.

    Args:
        memory: The machine's memory in bytes.
        cores: The number of the machine's cores.
    """
    return Limits(int(memory * _SHARE_OF_MEMORY), max(_LEAST_THREADS, _THREADS_PER_CORE * cores))


def of_this_machine() -> Limits:
    """Returns the limits of a silo's runners on this machine."""
    return defaults(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), os.cpu_count() or 1)


def apply(limits: Limits, *, own_user_namespace: bool) -> None:
    """Applies the limits to this process and its children. A limit that is already lower stays."""
    _lower(resource.RLIMIT_CORE, 0)  # a core dump would contain samples
    _lower(resource.RLIMIT_NOFILE, _MOST_FILES)
    if limits.memory is not None:
        _lower(resource.RLIMIT_DATA, limits.memory)
        _lower(resource.RLIMIT_FSIZE, limits.memory)
    if limits.threads is not None and own_user_namespace:
        _lower(resource.RLIMIT_NPROC, limits.threads)


def be_first_out_of_memory() -> None:
    """Lets the kernel end this process and its children before others when the machine has no memory left."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _lower(which: int, most: int) -> None:
    _, hard = resource.getrlimit(which)
    lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (lowest, lowest))
