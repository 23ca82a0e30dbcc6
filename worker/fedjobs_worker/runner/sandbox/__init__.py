"""The sandbox of a runner host and its runners, which is closed before a graph is loaded.

The graph of a computation is untrusted. The verifier decides which operations it may contain. The sandbox is a second
line of defence: code that runs in a runner nevertheless reaches only its own memory and its session's socket.

1. `enclose` runs the host in namespaces of its own, if this process may create them.
2. `confine_host` adds limits and a seccomp filter, and gives up all rights, before TensorFlow is imported.
3. `confine_runner` adds Landlock and a stricter seccomp filter to each runner after the fork.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Set
from typing import NoReturn

from fedjobs_worker import kernel_calls
from fedjobs_worker.kernel_calls import KernelCallError
from fedjobs_worker.runner.sandbox import landlock, limits, namespaces, privileges, seccomp, views
from fedjobs_worker.runner.sandbox.facts import Fact
from fedjobs_worker.runner.sandbox.limits import Limits

_ENCLOSED = b"1"


def enclose(run: Callable[[], int]) -> int | None:
    """Forks a process that runs a function in new namespaces, where it sees only the interpreter's files.

    This process must have a single thread. The function's process is a grandchild, and ends with the child.

    Args:
        run: Returns an exit status, and raises nothing.

    Returns:
        The pid of the child, whose exit status is that of the function. None: there are no namespaces for this process.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _leave(writing, run)
    os.close(writing)
    with open(reading, "rb") as pipe:
        if pipe.read(1) == _ENCLOSED:
            return child
    os.waitpid(child, 0)
    return None


def confine_host(given: Limits, *, enclosed: bool) -> frozenset[Fact]:
    """Confines this process and its children, which can still accept connections, fork, and read what they import.

    Args:
        given: The limits.
        enclosed: Whether the process is in the namespaces of `enclose`.

    Returns:
        What holds from now on.

    Raises:
        KernelCallError: This machine does not support seccomp. No runner must run a shard then.
    """
    facts = {Fact.NAMESPACES} if enclosed else set()
    limits.apply(given, own_user_namespace=enclosed)
    privileges.give_up()
    if _succeeds(_confine_files):
        facts.add(Fact.LANDLOCK)
    seccomp.confine_host()
    return frozenset(facts | {Fact.SECCOMP})


def confine_runner(facts: Set[Fact] = frozenset()) -> None:
    """Confines this process for good, so that it can run a shard. It must have a single thread.

    Args:
        facts: What holds for the host. With Landlock, the runner restricts itself.

    Raises:
        KernelCallError: This machine does not support the sandbox. The runner must not run a shard then.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would contain samples
    privileges.make_unreadable()
    if Fact.LANDLOCK in facts:
        _confine_files()
    seccomp.confine_runner()


def _confine_files() -> None:
    """TensorFlow reads the name of its own process, and aborts if it cannot."""
    landlock.confine(views.of_this_process(), f"/proc/{os.getpid()}")


def _succeeds(call: Callable[[], None]) -> bool:
    """Tries a call that restricts a process in a child. A container's runtime can forbid it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            call()
            status = 0
        except KernelCallError:
            pass
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _leave(report: int, run: Callable[[], int]) -> NoReturn:
    """The child: leaves the machine's namespaces, and waits for the process in the new ones."""
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # the parent stops us
        kernel_calls.die_with_parent()
        limits.be_first_out_of_memory()
        namespaces.leave_others()
        inside = os.fork()
        if inside == 0:
            _enter(report, run)
        os.close(report)
        _, status = os.waitpid(inside, 0)
        status = os.waitstatus_to_exitcode(status)
        status = status if status >= 0 else 128 - status
    except KernelCallError:
        pass  # nothing was reported
    finally:
        os._exit(status)  # the parent's exit handlers must not run here


def _enter(report: int, run: Callable[[], int]) -> NoReturn:
    status = 1
    try:
        namespaces.hide_files(views.of_this_process())
        namespaces.become_nobody()
        kernel_calls.die_with_parent()  # after the user has changed, which resets it
        os.write(report, _ENCLOSED)
        os.close(report)
        status = run()
    except KernelCallError:
        pass  # nothing was reported
    finally:
        os._exit(status)
