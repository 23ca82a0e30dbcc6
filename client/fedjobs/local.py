"""A TFF execution context on this machine, with the coordinator in this process and each silo in its own process.

    import fedjobs
    fedjobs.set_local_execution_context(num_silos=2)

After this call, every TFF computation that this process calls runs on the silo processes, over loopback and mutual
TLS. As usual in TFF, values placed at CLIENTS are passed as lists. They are distributed to the silos in order.
NaN and infinity are values like others here. A job leaves out the silos that send them.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort, ResolvedJob, ResolvedProgram
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.identities.identities import RunAuthority, server_name

from fedjobs.launcher import LocalSilos

if TYPE_CHECKING:
    from fedjobs_coordinator.invocations.tff_contexts import SyncContext

_ROUND_DEADLINE_S = 3600.0
_current: LocalFederation | None = None


class LocalFederation:
    """A coordinator in this process, and its silos.

    Args:
        num_silos: The number of silos.
        simulate_secure_aggregation: Whether secure sums and selections are computed in the clear. Otherwise they are
            refused.

    Attributes:
        coordinator: The coordinator. See `fedjobs_coordinator.coordinator`.
        invocations: Runs computations on the silos.
    """

    def __init__(self, num_silos: int, *, simulate_secure_aggregation: bool = False) -> None:
        if num_silos < 1:
            raise ValueError(f"num_silos must be at least 1, got {num_silos}")
        self._directory = Path(tempfile.mkdtemp(prefix="fedjobs-"))
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
        _keep_the_log_short()
        from fedjobs_coordinator.coordinator import Coordinator

        job = _job([f"silo-{i:03d}" for i in range(num_silos)])
        authority = RunAuthority.create()
        folder = self._directory / "coordinator"
        folder.mkdir()
        identity = authority.issue_coordinator(job.uid, server_name(job.uid))
        self.coordinator = Coordinator(job, lambda: identity, folder, "127.0.0.1:0", resumable=False)
        invitation = Invitation(
            job_uid=job.uid,
            job_name=job.name,
            program="local",
            datasets=[],
            address=self.coordinator.address,
            server_name=server_name(job.uid),
        )
        self._silos = LocalSilos(self._directory, job.silos, invitation, authority)
        self._silos.start()
        # The silos import TensorFlow while this process imports TensorFlow Federated.
        from fedjobs_compute.graphs import disable_graph_rewriting
        from fedjobs_coordinator.invocations.invocations import Invocations
        from fedjobs_coordinator.invocations.planned import Rules

        disable_graph_rewriting()
        self.invocations = Invocations(
            self.coordinator,
            durable_at_once=True,
            rules=Rules(accept_non_finite=True, simulate_secure_aggregation=simulate_secure_aggregation),
        )

    def close(self) -> None:
        """Stops the silo processes and removes their files."""
        self.coordinator.close("Complete")
        self._silos.stop()
        shutil.rmtree(self._directory, ignore_errors=True)


def set_local_execution_context(num_silos: int = 2, *, simulate_secure_aggregation: bool = False) -> LocalFederation:
    """Sets an execution context that runs computations on local silo processes.

    An earlier local context is closed.

    Args:
        num_silos: The number of silos.
        simulate_secure_aggregation: Whether secure sums and selections are computed in the clear, to try a computation
            on one machine. Otherwise they are refused, as in a job.
    """
    import tensorflow_federated as tff

    federation = _start(num_silos, simulate_secure_aggregation=simulate_secure_aggregation)
    tff.framework.set_default_context(_sync_context(federation))
    return federation


def set_local_async_execution_context(
    num_silos: int = 2, *, simulate_secure_aggregation: bool = False
) -> LocalFederation:
    """Sets the context of `set_local_execution_context`, for programs that await their computations."""
    import tensorflow_federated as tff

    federation = _start(num_silos, simulate_secure_aggregation=simulate_secure_aggregation)
    from fedjobs_coordinator.invocations.tff_contexts import AsyncContext

    tff.framework.set_default_context(AsyncContext(federation.invocations))
    return federation


@contextmanager
def local_execution_context(
    num_silos: int = 2, *, simulate_secure_aggregation: bool = False
) -> Iterator[LocalFederation]:
    """Runs the computations of a `with` block on local silo processes, which end with the block.

    TFF's default context, and a local context that is set, stay as they are. The arguments are those of
    `set_local_execution_context`.
    """
    import tensorflow_federated as tff

    federation = LocalFederation(num_silos, simulate_secure_aggregation=simulate_secure_aggregation)
    try:
        with tff.framework.get_context_stack().install(_sync_context(federation)):
            yield federation
    finally:
        federation.close()


def _keep_the_log_short() -> None:
    """Writes only warnings of the coordinator, to stderr, unless the session has configured structlog."""
    if not structlog.is_configured():
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )


def _sync_context(federation: LocalFederation) -> SyncContext:
    from fedjobs_coordinator.invocations.tff_contexts import SyncContext

    return SyncContext(federation.invocations)


def close() -> None:
    """Closes the local context, if there is one. Python calls this at exit."""
    global _current
    federation, _current = _current, None
    if federation is not None:
        federation.close()


def _start(num_silos: int, *, simulate_secure_aggregation: bool) -> LocalFederation:
    global _current
    close()
    _current = LocalFederation(num_silos, simulate_secure_aggregation=simulate_secure_aggregation)
    atexit.register(close)
    return _current


def _job(silos: list[str]) -> ResolvedJob:
    return ResolvedJob(
        uid=str(uuid.uuid4()),
        name="local",
        program=ResolvedProgram(entrypoint="local:context"),
        dataset="none",
        silos=silos,
        cohort=ResolvedCohort(min_silos=len(silos), goal_silos=len(silos), round_deadline_seconds=_ROUND_DEADLINE_S),
    )
