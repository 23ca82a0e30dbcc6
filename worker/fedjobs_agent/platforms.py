"""What is around an agent: where its workers run, and where it keeps its identity."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_agent.config import AgentConfig
from fedjobs_agent.identity.identity_stores import FolderStore, IdentityStore, SecretStore
from fedjobs_agent.planning import names
from fedjobs_agent.workers.workers import Workers


@dataclass(frozen=True)
class Surroundings:
    """Made by `of_cluster` or `of_machine`.

    Attributes:
        where: For the log.
        workers: The silo's.
        store: For the silo's identity.
    """

    where: str
    workers: Workers
    store: IdentityStore

    def close(self) -> None:
        self.workers.close()


def of_cluster(config: AgentConfig, kubeconfig: Path | None, namespace: str, deployment: str | None) -> Surroundings:
    """The agent's namespace of a Kubernetes cluster.

    Args:
        config: The agent's.
        kubeconfig: None: the agent runs in a pod.
        namespace: The agent's own.
        deployment: The agent's own, which then owns the workers.

    Raises:
        FedjobsError: There is no way to the cluster.
    """
    from fedjobs_agent.cluster_api import Cluster, connected
    from fedjobs_agent.workers import worker_jobs
    from fedjobs_agent.workers.cluster_workers import ClusterWorkers

    cluster = Cluster(connected(kubeconfig), namespace)
    owner = worker_jobs.owned_by_deployment(cluster.deployment(deployment)) if deployment else None
    store = SecretStore(cluster, names.IDENTITY)
    return Surroundings(f"namespace {namespace}", ClusterWorkers(config, cluster, owner), store)


def of_machine(config: AgentConfig, folder: Path, *, debug: bool = False) -> Surroundings:
    """A folder of this machine.

    Args:
        config: The agent's.
        folder: Of this agent alone.
        debug: Workers log more.

    Raises:
        FedjobsError: The folder cannot be used, or another agent uses it.
    """
    from fedjobs_agent.workers.local_workers import LocalWorkers

    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Held as long as this process lives, and never closed.
        fcntl.flock(os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FedjobsError(
            ErrorCode.ALREADY_RUNNING, f"Another agent uses {folder}.", "End it, or name another folder."
        ) from error
    except OSError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE, f"{folder} cannot be used: {error.strerror}.", "Name a folder of your own."
        ) from error
    return Surroundings(f"folder {folder}", LocalWorkers(config, folder, debug=debug), FolderStore(folder / "identity"))
