"""Explains what a job asks silos to run, or what a shard contains, and what the silos' policies decide."""

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
from fedjobs_verifier import ALLOWED_OPERATIONS, verify_for_some_silo
from fedjobs_worker import silo_files
from fedjobs_worker.consent import consents, policies, shard_explanation
from fedjobs_worker.consent.approvals import Decisions
from fedjobs_worker.consent.consent_scopes import scope_of
from fedjobs_worker.consent.data_reads import NOTHING, DataReads
from fedjobs_worker.consent.graphs import listings, pictures
from fedjobs_worker.consent.graphs.flows import flows_of
from fedjobs_worker.consent.policies import Allowed, Refused
from fedjobs_worker.silo_files import SiloFile

_GRAPH_LINES = 40  # of the graphs, without --whole-graph
_JOBS = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True)
class Shard:
    """A computation to explain.

    Attributes:
        digest: The digest of `serialized`.
        serialized: The serialized shard.
        label: The computation's name.
        reads: The silos' datasets that it reads. Nothing for a shard of which only the file is known.
    """

    digest: Digest
    serialized: bytes
    label: str = ""
    reads: DataReads = NOTHING


@dataclass(frozen=True)
class Job:
    """A job to explain.

    Attributes:
        resolved: The job with all defaults.
        invitation: The invitation that silos receive.
    """

    resolved: ResolvedJob
    invitation: Invitation


def is_job(path: Path) -> bool:
    """Returns whether a file is a job file by its suffix. Any other file is a shard."""
    return path.suffix in _JOBS


def shard_of(path: Path) -> Shard:
    """Reads a shard from a file.

    Raises:
        FedjobsError: INVALID_JOB if the file cannot be read or is not a shard.
    """
    try:
        serialized = path.read_bytes()
    except OSError as error:
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"{path} cannot be read: {error.strerror}.",
            "Give the path of a job file or a shard.",
        ) from error
    try:
        verify_for_some_silo(serialized)
    except FedjobsError as error:
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"{path} is not a shard that a silo runs: {error.message}",
            "Give the path of a job file or a shard.",
        ) from error
    return Shard(digests.digest(serialized), serialized)


def job_of(path: Path, silos: Sequence[SiloFile] = ()) -> Job:
    """Reads a job from a file.

    Raises:
        FedjobsError: INVALID_JOB, UNKNOWN_PROGRAM or INVALID_PROGRAM_PARAMETER if the job is invalid.
    """
    import fedjobs_api as api

    manifest = api.load(path)
    names = [silo.silo for silo in silos] or list(manifest.spec.silos.names or ()) or ["any-silo"]
    resolved = api.resolve(manifest, names, folder=path.absolute().parent)
    namespace = manifest.metadata.namespace or ""
    return Job(resolved, invitation_to(resolved, address="none:0", server_name="none", namespace=namespace))


def shards_of(job: Job) -> tuple[list[Shard], FedjobsError | None]:
    """Returns the shards that a job asks its silos to run.

    The second value says why the rehearsal stopped early, if the program needs results of real silos to continue.

    Raises:
        FedjobsError: The job's program cannot run at all.
    """
    from fedjobs_coordinator.rehearsals import rehearse

    found, failure = rehearse(job.resolved)
    shards = [
        Shard(each.digest, each.serialized, each.label, DataReads(each.datasets, each.clients, each.kept))
        for each in found
    ]
    return shards, failure


def invited(job: Job, silos: Sequence[SiloFile]) -> Iterator[str]:
    """Yields what the job's invitation says, and what each silo's policy decides about it."""
    asked = job.invitation
    rounds = f"at most {asked.rounds} rounds" if asked.rounds is not None else "number of rounds not specified"
    yield (
        f"job {asked.job_name}\n"
        f"  requested by {asked.requested_by or 'nobody (requestedBy is not set)'}"
        f"{f' from namespace {asked.namespace}' if asked.namespace else ''}\n"
        f"  datasets: {', '.join(asked.datasets)}; {rounds}; at least {asked.min_silos} silos in each round\n"
    )
    for silo in silos:
        said = policies.on_invitation(silo.policy, silo.silo, silo.datasets, asked)
        words = "takes part" if isinstance(said, Allowed) else f"declines: {said.rule}: {said.message}"
        yield _lines(f"  silo {silo.silo} {words}", *_halves(silo))


def explained(
    shard: Shard, silos: Sequence[SiloFile] = (), *, halves: bool = True, whole_graph: bool = False
) -> Iterator[str]:
    """Yields what the computation does, and what each silo's policy decides about it.

    Args:
        shard: The computation.
        silos: The silos whose policies to evaluate.
        halves: Whether to list what each silo enforces itself, and what it must trust the coordinator for.
        whole_graph: Whether to print all lines of the graphs.

    Raises:
        FedjobsError: SHARD_REFUSED if no silo runs it.
    """
    verified = verify_for_some_silo(shard.serialized)
    operations = verified.operations
    graph, flows = listings.listed(verified.message), flows_of(verified.message)
    yield shard_explanation.explain(
        shard.digest,
        verified.message,
        operations,
        label=shard.label,
        datasets=shard.reads.datasets,
        flows=flows,
        graph=graph if whole_graph else listings.shortened(graph, _GRAPH_LINES),
    )
    others = sorted(operations - ALLOWED_OPERATIONS)
    if others:
        yield _lines(f"  not on the default list, so a silo must allow it: {', '.join(others)}")
    for silo in silos:
        scope = scope_of(shard.digest, verified.message, shard.reads, silo, flows)
        said = consents.decide(silo.policy, silo.silo, scope, operations, Decisions(), 0, 0)
        yield _lines(f"  silo {silo.silo} {_words(said)}", *(_halves(silo) if halves else ()))


def drawn(shard: Shard) -> str:
    """Returns an SVG of which inputs of the computation reach which output.

    Raises:
        FedjobsError: SHARD_REFUSED if no silo runs it.
    """
    message = verify_for_some_silo(shard.serialized).message
    title = f"computation {shard.digest[:12]}" + (f" ({shard.label})" if shard.label else "")
    return pictures.picture(title, message, flows_of(message))


def silos_of(path: Path | None) -> list[SiloFile]:
    """Reads the silo files of a YAML file. Returns an empty list if `path` is None.

    Raises:
        FedjobsError: INVALID_SILO_FILE.
    """
    return silo_files.load_all(path) if path is not None else []


def _halves(silo: SiloFile) -> Iterator[str]:
    yield "    enforced by the silo:"
    yield from (f"      {line}" for line in shard_explanation.enforced(silo.policy))
    yield "    taken on trust from the coordinator:"
    yield from (f"      {line}" for line in shard_explanation.believed(silo.policy))


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def _words(said: consents.Consent) -> str:
    if isinstance(said, Allowed):
        return "allows it"
    return f"refuses it: {said.rule}: {said.message}" if isinstance(said, Refused) else "requires approval first"
