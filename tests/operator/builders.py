"""Builds jobs and observations: `a_job().with_silos("a", "b").suspended()`, `running(a_job()).at(5).plan()`."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

from fedjobs_api.conditions import Condition, JobCondition
from fedjobs_api.names import JobRef
from fedjobs_api.statuses import FederatedJobStatus
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import Phase, SiloState, SiloStatus, Status
from fedjobs_operator.planning.observations import KnownSilo, Observed
from fedjobs_operator.planning.planner import plan
from fedjobs_operator.planning.plans import Plan
from fedjobs_operator.settings import CoordinatorImage, FrontDoor, Hub, Settings

from tests.api.jobs import a_job as a_written_job
from tests.operator.attempts import NOON, UID, AnAttempt, Body, an_attempt, at

REF = JobRef("team", "digits", UID)
FRONT_DOOR = FrontDoor("fedjobs.example.org", "fedjobs.example.org:443")
SETTINGS = Settings(
    own_namespace="fedjobs-system",
    authority_namespace="fedjobs-system-authority",
    image=CoordinatorImage("coordinator:1"),
    front_door=FRONT_DOOR,
    hub=Hub.of(FRONT_DOOR, "fedjobs-hub.fedjobs-system.svc:8444"),
)
TRUST = "the hub's issuer\n"


@dataclass(frozen=True)
class AJob:
    """A FederatedJob as the API server returns it."""

    body: Body

    def with_(self, path: str, value: Any) -> AJob:
        """Sets one field: `spec.cohort.minSilos`."""
        body = copy.deepcopy(self.body)
        *parents, last = path.split(".")
        place = body
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
        return AJob(body)

    def edited(self, path: str, value: Any) -> AJob:
        """Edits one field. The generation increases."""
        return self.with_(path, value).with_("metadata.generation", self.body["metadata"]["generation"] + 1)

    def called(self, name: str) -> AJob:
        return self.with_("metadata.name", name)

    def with_silos(self, *names: str) -> AJob:
        return self.with_("spec.silos", {"names": list(names)})

    def with_silos_labelled(self, **labels: str) -> AJob:
        return self.with_("spec.silos", {"selector": {"matchLabels": labels}})

    def suspended(self) -> AJob:
        return self.with_("spec.suspend", True)

    def in_a_queue(self) -> AJob:
        return self.with_("metadata.labels", {"kueue.x-k8s.io/queue-name": "research"})

    def with_backoff_limit(self, restarts: int) -> AJob:
        return self.with_("spec.backoffLimit", restarts)

    def with_deadline(self, seconds: int) -> AJob:
        return self.with_("spec.activeDeadlineSeconds", seconds)

    def kept_for(self, seconds: int) -> AJob:
        return self.with_("spec.ttlSecondsAfterFinished", seconds)

    def writing_to(self, uri: str) -> AJob:
        return self.with_("spec.output", {"uri": uri})

    def writing_to_the_claim(self, name: str, path: str | None = None) -> AJob:
        claim = {"claimName": name} | ({} if path is None else {"path": path})
        return self.with_("spec.output", {"persistentVolumeClaim": claim})

    def being_deleted(self) -> AJob:
        return self.with_("metadata.deletionTimestamp", "2026-01-31T12:00:00Z")

    @property
    def spec(self) -> Body:
        return dict(self.body["spec"])


def a_job() -> AJob:
    """Returns a job for hospital-a and hospital-b."""
    metadata = {"name": "digits", "namespace": "team", "uid": UID, "generation": 1, "resourceVersion": "1"}
    return AJob(a_written_job() | {"metadata": metadata})


def a_silo(name: str, *datasets: str, suspended: bool = False, **labels: str) -> KnownSilo:
    """Returns a silo. If no dataset is named, the silo has not reported its datasets."""
    return KnownSilo(name, labels, suspended, datasets or None)


def a_silo_object(name: str, version: int = 1, *, suspended: bool = False) -> Body:
    """Returns a Silo as the API server returns it."""
    return {"metadata": {"name": name, "resourceVersion": str(version)}, "spec": {"suspend": suspended}}


HOSPITALS = (a_silo("hospital-a"), a_silo("hospital-b"))


def a_report(phase: Phase = Phase.RUNNING, *, round: int = 0, **fields: Any) -> Status:  # noqa: A002
    silos = [SiloStatus(name=silo.name, state=SiloState.READY) for silo in HOSPITALS]
    defaults = {"job_uid": UID, "job_name": "digits", "generation": 1, "rounds": 20, "silos": silos}
    return Status(**(defaults | {"phase": phase, "round": round} | fields))


@dataclass(frozen=True)
class ALook:
    """What the operator observes about a job at one time. The status of one look is the input of the next."""

    job: AJob
    seconds: float = 0
    silos: tuple[KnownSilo, ...] = HOSPITALS
    resolved: ResolvedJob | None = None
    attempts: tuple[AnAttempt, ...] = ()
    claim: str = ""
    trust: str = TRUST
    report: Status | None = None
    connection_error: str = ""
    status: Body = field(default_factory=dict)

    def plan(self) -> Plan:
        return plan(self.job.body, self.observed, SETTINGS, at(self.seconds))

    @property
    def observed(self) -> Observed:
        return Observed(
            silos=self.silos,
            resolved=self.resolved,
            attempts=tuple(attempt.observed for attempt in self.attempts),
            claim_phase=self.claim,
            claimed_at=NOON if self.claim else None,
            trust=self.trust,
            report=self.report,
            connection_error=self.connection_error,
            status=self.status,
        )

    def then(self) -> ALook:
        """The operator has written the plan's status and the resolved job."""
        plan = self.plan()
        status = plan.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        return replace(self, status=status, resolved=plan.resolved or self.resolved)

    def at(self, seconds: float) -> ALook:
        return replace(self, seconds=seconds)

    def but(self, job: AJob) -> ALook:
        """A user has edited the job."""
        return replace(self, job=job)

    def with_silos(self, *silos: KnownSilo) -> ALook:
        return replace(self, silos=silos)

    def with_attempts(self, *attempts: AnAttempt) -> ALook:
        return replace(self, attempts=attempts)

    def with_claim(self, phase: str = "Bound") -> ALook:
        return replace(self, claim=phase)

    def without_a_hub(self) -> ALook:
        """The hub has not published its issuers yet."""
        return replace(self, trust="")

    def hearing(self, report: Status | None) -> ALook:
        return replace(self, report=report)


def a_look_at(job: AJob) -> ALook:
    """Returns the first look at a job: only the job and two silos exist."""
    return ALook(job)


def started(job: AJob) -> ALook:
    """Returns a look after the first plan was applied: the Job of attempt 1 and its pod exist."""
    return a_look_at(job).then().with_claim().with_attempts(an_attempt(1))


def running(job: AJob) -> ALook:
    """Returns a look at a job whose coordinator listens."""
    return started(job).with_attempts(an_attempt(1).ready()).then()


def condition(status: FederatedJobStatus, kind: JobCondition) -> Condition | None:
    return next((found for found in status.conditions or () if found.type == kind), None)


def said(status: FederatedJobStatus, kind: JobCondition) -> tuple[str, str] | None:
    """Returns status and reason of a condition."""
    found = condition(status, kind)
    return None if found is None else (found.status, found.reason)


def is_invited(plan: Plan) -> bool:
    """Returns whether the plan invites the silos."""
    return plan.status.invitation is not None


def kinds(plan: Plan) -> list[str]:
    return [str(manifest["kind"]) for manifest in plan.apply]


def coordinator_jobs(plan: Plan) -> list[str]:
    """Returns the names of the coordinator Jobs that the plan creates."""
    return [str(manifest["metadata"]["name"]) for manifest in plan.apply if manifest["kind"] == "Job"]
