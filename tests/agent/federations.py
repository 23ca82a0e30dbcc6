"""A federation as a silo sees it: a real hub behind a front door, and jobs that invite the silo."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fedjobs_hub import names
from fedjobs_protocol.hub.invitations import Invitation, InvitationGpu
from fedjobs_protocol.identities import keys
from fedjobs_protocol.identities.identities import Identity, enrolment_name, server_name

from tests.agent.front_doors import FrontDoor
from tests.cluster.api_servers import ApiServer
from tests.hub.hubs import Federation, running_federation

SILO = "hospital-a"


@dataclass
class AgentFederation:
    """A federation with one silo, hospital-a."""

    federation: Federation
    door: FrontDoor
    namespace: str
    """The namespace of the jobs. Each test has its own, so that jobs of other tests do not interfere."""
    jobs: dict[str, str] = field(default_factory=dict)
    """The UIDs of the jobs, by name."""
    _token: str = ""

    def route(self) -> None:
        """Routes the front door's names to the newest hub."""
        hub, name = self.federation.hub, self.federation.front_door
        self.door.routes |= {name: hub.address, enrolment_name(name): hub.enrolment_address}

    def token(self) -> str:
        """The token from the silo's invitation. The hub deletes it after its first use."""
        self._token = self._token or self.federation.invitation(SILO)["token"]
        return self._token

    def invite(
        self, job: str = "digits", gpu: str = "Never", datasets: tuple[str, ...] = (), by: str | None = None
    ) -> str:
        """Creates a job that invites the silo, sets its status as the operator does, and returns the job's UID."""
        if job not in self.jobs:
            self.jobs[job] = self.federation.job([], name=job, namespace=self.namespace)
        uid = self.jobs[job]
        invitation = Invitation(
            job_uid=uid,
            job_name=job,
            namespace=self.namespace,
            requested_by=by,
            program="fedavg",
            datasets=list(datasets),
            address="nowhere.example.org:443",
            server_name=server_name(uid, self.federation.front_door),
            gpu=InvitationGpu.model_validate({"mode": gpu}),
        )
        document = json.loads(invitation.model_dump_json(by_alias=True, exclude_none=True))
        self._set_status(job, {"invitation": document, "resolved": {"silos": [SILO]}})
        return uid

    def withdraw(self, job: str = "digits") -> None:
        self._set_status(job, {"invitation": None})

    def coordinator_identity(self, job: str = "digits") -> Identity:
        """Returns the identity of the job's coordinator, as its pod gets it."""
        token = self.federation.coordinator_token(job, self.namespace)
        with self.federation.enrolment() as enrolment:
            return enrolment.issue_coordinator(token, keys.create())

    def _set_status(self, job: str, status: object) -> None:
        change = json.dumps({"status": status})
        self.federation.server.kubectl(
            "-n", self.namespace, "patch", "fj", job, "--subresource=status", "--type=merge", "-p", change
        )

    def worker_leases(self, job_uid: str) -> list[str]:
        """Returns the names of the hub's Leases for workers of a job. There is one for each token."""
        labels = f"{names.ROLE}={names.WORKER},{names.JOB_UID}={job_uid}"
        where = ("-n", self.federation.namespace, "-l", labels, "-o", "name")
        return self.federation.server.kubectl("get", "leases", *where).split()


@contextmanager
def running_agent_federation(server: ApiServer, folder: Path, *lifetimes: str) -> Iterator[AgentFederation]:
    """Runs a hub behind a front door with an invited Silo. Deletes all objects at the end."""
    with running_federation(server, folder, lifetimes=lifetimes) as federation, behind_a_door(federation) as found:
        yield found


@contextmanager
def behind_a_door(federation: Federation) -> Iterator[AgentFederation]:
    """Does the same with a hub that may have served other tests. Deletes their Silos and jobs, and restarts the hub."""
    _delete_silos_and_jobs(federation.server)
    if federation.hub.process.poll() is not None:
        federation.start_hub(ports=federation.hub.ports)
    with FrontDoor() as door:
        namespace = f"jobs-{uuid.uuid4().hex[:8]}"
        federation.server.kubectl("create", "namespace", namespace)
        found = AgentFederation(federation, door, namespace)
        found.route()
        federation.silo(SILO)
        yield found
        _delete_silos_and_jobs(federation.server)


def _delete_silos_and_jobs(server: ApiServer) -> None:
    """Deletes all Silos and jobs, because a hub serves all Silos and jobs of its API server."""
    server.kubectl.run("delete", "silos", "--all")
    server.kubectl.run("delete", "federatedjobs", "--all", "--all-namespaces")
