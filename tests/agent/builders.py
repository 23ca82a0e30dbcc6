"""Builds an agent's input: `an_invitation().requiring_gpu()`, `a_worker(of=invitation).ended(at=5)`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from fedjobs_agent.federation.invitations import Received
from fedjobs_agent.planning import names
from fedjobs_agent.planning.observations import Worker, WorkerPod
from fedjobs_agent.planning.planner import Judged
from fedjobs_protocol.hub.invitations import Invitation, InvitationGpu
from fedjobs_protocol.identities.identities import server_name
from fedjobs_worker.consent.policies import Allowed, Decision, Refused
from fedjobs_worker.termination_message import LastWord, Outcome

JOB, SILO = "0f8e7d6c-5b4a-4938-a716-253443526170", "hospital-a"


@dataclass(frozen=True)
class AnInvitation:
    job_name: str = "digits"
    id: str = f"{JOB}.aaaa"
    gpu: Literal["Never", "Prefer", "Require"] = "Never"
    count: int = 1
    decision: Decision = Allowed()  # noqa: RUF009 (frozen)

    def preferring_gpu(self, count: int = 1) -> AnInvitation:
        return replace(self, gpu="Prefer", count=count)

    def requiring_gpu(self) -> AnInvitation:
        return replace(self, gpu="Require")

    def made_again(self) -> AnInvitation:
        return replace(self, id=f"{JOB}.bbbb")

    def refused_by(self, rule: str) -> AnInvitation:
        return replace(self, decision=Refused(rule, "no"))

    @property
    def invitation(self) -> Invitation:
        return Invitation(
            job_uid=JOB,
            job_name=self.job_name,
            program="fedavg",
            datasets=["digits"],
            address="coordinator:8443",
            server_name=server_name(JOB),
            gpu=InvitationGpu(mode=self.gpu, count=self.count),
        )

    @property
    def received(self) -> Received:
        return Received(self.id, self.invitation, SILO)

    @property
    def judged(self) -> Judged:
        return Judged(self.received, self.decision)

    @property
    def worker_name(self) -> str:
        return names.worker(self.job_name, JOB, SILO)


def an_invitation(job_name: str = "digits") -> AnInvitation:
    return AnInvitation(job_name)


def a_worker(of: AnInvitation, **fields: Any) -> Worker:
    return Worker(name=of.worker_name, uid="job-1", invitation_id=of.id, **fields)


def a_pod(of: Worker, **fields: Any) -> WorkerPod:
    return WorkerPod(job_uid=of.uid, **fields)


def a_pod_that_said(of: Worker, outcome: Outcome) -> WorkerPod:
    return a_pod(of, last_word=LastWord(outcome=outcome))
