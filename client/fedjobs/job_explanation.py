"""What a job would ask silos to run, or what is in one shard, in words; and what silos would say to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.hub.job_invitations import invitation_to
from fedjobs_worker import silo_files
from fedjobs_worker.consent import consents, policies, shard_explanation
from fedjobs_worker.consent.policies import Allowed, Refused
from fedjobs_worker.silo_files import SiloFile

_JOBS = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True)
class Shard:
    """A computation to be explained.

    Attributes:
        digest: Of the bytes.
        serialized: The bytes.
        label: What it is called.
        datasets: Which data it reads.
    """

    digest: Digest
    serialized: bytes
    label: str = ""
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A job to be explained.

    Attributes:
        resolved: With all defaults.
        invitation: What silos are told of it first.
    """

    resolved: ResolvedJob
    invitation: Invitation


def is_job(path: Path) -> bool:
    """Whether a file is a job's, by its name; else it is a shard."""
    return path.suffix in _JOBS


def shard_of(path: Path) -> Shard:
    """The shard of a file.

    Raises:
        FedjobsError: INVALID_JOB.
    """
    try:
        serialized = path.read_bytes()
    except OSError as error:
        raise FedjobsError(
            ErrorCode.INVALID_JOB, f"{path} cannot be read: {error.strerror}.", "Name a job's file, or a shard's."
        ) from error
    from fedjobs_compute import shards

    try:
        shards.parse(serialized)
    except FedjobsError as error:
        raise FedjobsError(
            ErrorCode.INVALID_JOB, f"{path} is no shard: {error.message}", "Name a job's file, or a shard's."
        ) from error
    return Shard(digests.digest(serialized), serialized)


def job_of(path: Path, silos: Sequence[SiloFile] = ()) -> Job:
    """A job of a file.

    Raises:
        FedjobsError: INVALID_JOB, and what else is wrong with a job.
    """
    from fedjobs_operator import api

    manifest = api.load(path)
    names = [silo.silo for silo in silos] or list(manifest.spec.silos.names or ()) or ["any-silo"]
    resolved = api.resolve(manifest, names, folder=path.absolute().parent)
    namespace = manifest.metadata.namespace or ""
    return Job(resolved, invitation_to(resolved, address="", server_name="", namespace=namespace))


def shards_of(job: Job) -> tuple[list[Shard], FedjobsError | None]:
    """What a job would ask its silos to run; and where it could not go on without them, why.

    Raises:
        FedjobsError: Its program cannot be run at all.
    """
    from fedjobs_coordinator.rehearsals import rehearse

    found, failure = rehearse(job.resolved)
    return [Shard(each.digest, each.serialized, each.label, each.datasets) for each in found], failure


def invited(job: Job, silos: Sequence[SiloFile]) -> Iterator[str]:
    """Texts: what a job says of itself, and what each silo's policy says to that."""
    asked = job.invitation
    rounds = f"at most {asked.rounds} rounds" if asked.rounds is not None else "it does not say how many rounds"
    yield (
        f"job {asked.job_name}\n"
        f"  asked for by {asked.requested_by or 'nobody (requestedBy is not set)'}"
        f"{f' from namespace {asked.namespace}' if asked.namespace else ''}\n"
        f"  asks for {', '.join(asked.datasets)}; {rounds}; rounds of {asked.min_silos} silos or more\n"
    )
    for silo in silos:
        said = policies.on_invitation(silo.policy, silo.silo, silo.datasets, asked)
        words = "takes part" if isinstance(said, Allowed) else f"declines: {said.rule}: {said.message}"
        yield _lines(f"  silo {silo.silo} {words}", *_halves(silo))


def explained(shard: Shard, silos: Sequence[SiloFile] = (), *, halves: bool = True) -> Iterator[str]:
    """Texts: what the computation does, and what each silo's policy says to it.

    Args:
        shard: The computation.
        silos: Whose policies are asked.
        halves: Also say what each policy enforces, and what it has to believe.

    Raises:
        FedjobsError: SHARD_FAILED where the bytes are none.
    """
    from fedjobs_compute import shards

    message = shards.parse(shard.serialized)
    operations = shards.operations(message)
    yield shard_explanation.explain(shard.digest, message, operations, label=shard.label, datasets=shard.datasets)
    for silo in silos:
        said = consents.decide(silo.policy, silo.silo, shard.digest, operations, None, 0, 0)
        yield _lines(f"  silo {silo.silo} {_words(said)}", *(_halves(silo) if halves else ()))


def silos_of(path: Path | None) -> list[SiloFile]:
    """The silos of a file; None: none.

    Raises:
        FedjobsError: INVALID_SILO_FILE.
    """
    return silo_files.load_all(path) if path is not None else []


def _halves(silo: SiloFile) -> Iterator[str]:
    yield "    enforced by the silo:"
    yield from (f"      {line}" for line in shard_explanation.enforced(silo.policy))
    yield "    believed of the coordinator:"
    yield from (f"      {line}" for line in shard_explanation.believed(silo.policy))


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def _words(said: consents.Consent) -> str:
    if isinstance(said, Allowed):
        return "lets it run"
    return (
        f"refuses it: {said.rule}: {said.message}" if isinstance(said, Refused) else "waits for a person to approve it"
    )
