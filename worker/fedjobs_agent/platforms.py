"""The platform of an agent: where its workers run, and where it stores its identity."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_agent.config import AgentConfig
from fedjobs_agent.identity.identity_stores import FolderStore, IdentityStore, SecretStore
from fedjobs_agent.planning import names
from fedjobs_agent.workers.workers import Workers

if TYPE_CHECKING:
    from fedjobs_agent.workers.collected_audit import CollectedAudit


@dataclass(frozen=True)
class Surroundings:
    """The platform of an agent. `of_cluster` and `of_machine` create it.

    Attributes:
        where: A description for the log.
        workers: The silo's workers.
        store: Stores the silo's identity.
        audit: Collects the audit logs of the workers, on a cluster.
    """

    where: str
    workers: Workers
    store: IdentityStore
    audit: CollectedAudit | None = None

    def close(self) -> None:
        self.workers.close()


def of_cluster(config: AgentConfig, kubeconfig: Path | None, namespace: str, deployment: str | None) -> Surroundings:
    """Returns the platform for a Kubernetes cluster.

    Args:
        config: The agent's configuration.
        kubeconfig: The path of the kubeconfig, or None if the agent runs in a pod.
        namespace: The agent's namespace.
        deployment: The name of the agent's Deployment, which becomes the owner of the workers.

    Raises:
        FedjobsError: The agent cannot connect to the cluster.
    """
    from fedjobs_agent.cluster_api import Cluster, connected
    from fedjobs_agent.workers import worker_jobs
    from fedjobs_agent.workers.cluster_workers import ClusterWorkers

    cluster = Cluster(connected(kubeconfig), namespace)
    owner = worker_jobs.owned_by_deployment(cluster.deployment(deployment)) if deployment else None
    store = SecretStore(cluster, names.IDENTITY)
    workers = ClusterWorkers(config, cluster, owner)
    return Surroundings(f"namespace {namespace}", workers, store, workers.audit)


def of_machine(
    config: AgentConfig, folder: Path, *, debug: bool = False, trusts_job_owners: bool = False
) -> Surroundings:
    """Returns the platform for a machine without Kubernetes.

    Args:
        config: The agent's configuration.
        folder: The agent's folder, which no other agent uses.
        debug: Whether workers write more detailed logs.
        trusts_job_owners: Whether to run without isolation, where the machine offers none.

    Raises:
        FedjobsError: The folder cannot be used, another agent uses it, or the machine cannot isolate runners.
    """
    from fedjobs_agent.workers import isolation_check
    from fedjobs_agent.workers.local_workers import LocalWorkers

    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The lock is held as long as this process lives. The file is never closed.
        fcntl.flock(os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FedjobsError(
            ErrorCode.ALREADY_RUNNING, f"Another agent uses {folder}.", "Stop it, or choose another folder."
        ) from error
    except OSError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE, f"{folder} cannot be used: {error.strerror}.", "Choose a writable folder."
        ) from error
    isolation_check.check(trusts_job_owners=trusts_job_owners)
    workers = LocalWorkers(config, folder, debug=debug, trusts_job_owners=trusts_job_owners)
    return Surroundings(f"folder {folder}", workers, FolderStore(folder / "identity"))
