"""Invocations of a plan with two stages over silos that fail, are silent, or restart. Time is virtual.

The plan computes a mean in its first stage, and the sum of the squared deviations from it in its second one. The silos
keep their clients' values between the stages. The expectations come from NumPy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.file_pool import FilePool
from fedjobs_common.ids import Digest, JobUid, SiloName
from fedjobs_compute.plans import ClientInput, CoordinatorProgram, KeptInput, MergeKind, Stage
from fedjobs_coordinator.aggregation.blob_store import BlobStore
from fedjobs_coordinator.aggregation.merging import Merger
from fedjobs_coordinator.aggregation.outcomes import Failure, Outcome, Report
from fedjobs_coordinator.invocations.bindings import Clients
from fedjobs_coordinator.invocations.invocation import Completed, Invocation
from fedjobs_coordinator.invocations.invocations import Invocations
from fedjobs_coordinator.invocations.planned import Planned
from fedjobs_coordinator.invocations.silo_references import SiloData
from fedjobs_coordinator.invocations.silos import Silos
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.cohorts import Begin, Presence, TooFew, decide
from fedjobs_coordinator.sessions.consents import Offered, Standing
from fedjobs_coordinator.sessions.refusals import Refusals, retry_of_code, retry_of_rule
from fedjobs_coordinator.sessions.work_identities import InvocationId, WorkIdentities
from fedjobs_protocol.transfers.values import frame, unframe
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_protocol.v1.shard_pb2 import Leaf, Tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from .builders import JOB, a_job

FLOAT = Leaf(name="x", tensor=Tensor(dtype="float64", shape=[]))
NAMES = [SiloName(name) for name in ("alice", "bob", "carol", "dave")]
VALUES = {name: np.arange(1.0, 2.0 + number) ** 2 for number, name in enumerate(NAMES)}
NOTHING = CoordinatorProgram(shard_pb2.Program(), (), ())
DEADLINE = 20.0


def _stage(shard: bytes, kept_inputs: tuple[KeptInput, ...], broadcasts: tuple[str, ...]) -> Stage:
    return Stage(
        shard=shard,
        digest=Digest(shard.hex() * 32),
        broadcasts=broadcasts,
        client_inputs=() if kept_inputs else (ClientInput(0, 0),),
        kept_inputs=kept_inputs,
        kept_outputs=() if kept_inputs else (FLOAT,),
        accumulators=(FLOAT, FLOAT),
        left=("total", "count"),
        right=("more", "others"),
        merge_kinds=(MergeKind.SUM, MergeKind.SUM),
        merge=NOTHING,
        report=NOTHING,
        zero=NOTHING,
    )


STAGES = (_stage(b"a", (), ()), _stage(b"b", (KeptInput(0, 0),), ("mean",)))


class _Merging:
    """A planned stage without TensorFlow."""

    def __init__(self, stage: Stage, store: BlobStore) -> None:
        self.stage = stage
        self._merger = Merger(stage.merge_kinds, store)

    def merge(self, reports: Sequence[Report], environment: Mapping[str, Any]) -> list[Any]:
        return self._merger.merge(reports, lambda a, b: [x + y for x, y in zip(a, b, strict=True)])

    def report(self, environment: dict[str, Any], merged: Sequence[Any]) -> None:
        environment |= {"total": merged[0], "count": merged[1]}


class _Divide:
    def __init__(self, name: str) -> None:
        self._name = name

    def run(self, environment: dict[str, Any]) -> None:
        environment[self._name] = np.asarray(environment["total"] / environment["count"])


class _Nothing:
    def run(self, environment: dict[str, Any]) -> None: ...


class _ScriptedSilos:
    """Silos that do what a script says, and the coordinator's decisions about them.

    Args:
        folder: A folder for values and reports.
        script: For each silo what it does with its next work: `ok`, `silent`, `nan`, `restart` (it loses what it keeps,
            and then works), `none` (it has no clients),
            `more clients` (than it has), an error code, or a rule of its policy. After that, it works.
        min_silos: The job's `minSilos`.
    """

    def __init__(self, folder: Path, script: Mapping[SiloName, Sequence[str]], min_silos: int) -> None:
        self.job = a_job(NAMES, least=min_silos, deadline=DEADLINE)
        self.generation = 1
        self.store = BlobStore(folder / "values", FilePool(folder / "spares", most=2))
        self.identities = WorkIdentities(JobUid(JOB))
        self.offered: list[bytes] = []
        self.cohorts: list[list[SiloName]] = []
        self.asked: list[tuple[SiloName, int]] = []
        self.now = 0.0
        self.progress = SimpleNamespace(computation=lambda shards: None)
        self.sizes: dict[SiloName, int] = {}
        self.finished: list[int] = []
        self.reasons: list[str] = []
        self._folder = folder
        self._script = {name: list(script.get(name, ())) for name in NAMES}
        self._refusals = Refusals()
        self._kept: dict[tuple[SiloName, str], Any] = {}
        self._found: dict[str, Outcome] = {}

    def cohort(
        self, invocation: InvocationId, shards: Sequence[Digest], offers: Callable[[], Sequence[Offered]]
    ) -> list[SiloName]:
        if not self.offered:
            found = offers()
            assert [offered.scope for offered in found] == list(shards)
            self.offered = [offered.message.shard.inline for offered in found]
        until = self.now + DEADLINE
        while True:
            presence = Presence(
                invited=len(NAMES),
                ready=NAMES,
                awaited=NAMES,
                refused=self._refusals.refused(invocation.text, tuple(shards)).keys(),
                resting=self._refusals.resting(tuple(shards), self.now),
            )
            standing = Standing(consented=frozenset(NAMES))
            decided = decide(presence, standing, self.job.cohort, late=self.now > until, seed=invocation.text)
            if isinstance(decided, TooFew):
                raise FedjobsError(ErrorCode.COHORT_TOO_SMALL, f"Only {len(decided.silos)} silos.")
            if isinstance(decided, Begin):
                self.cohorts.append(decided.silos)
                return decided.silos
            self.now += 1

    def check_disk(self, accumulator_bytes: int, silos: int) -> None: ...

    def assign(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            if known := self._found.get(assignment.work_id):
                assignment.outcomes.put(assignment.silo, known)
                continue
            self.asked.append((assignment.silo, assignment.work.stage))
            script = self._script[assignment.silo]
            outcome = self._does(script.pop(0) if script else "ok", assignment)
            if outcome is not None:
                assignment.outcomes.put(assignment.silo, outcome)
            if isinstance(outcome, Report):
                self._found[assignment.work_id] = outcome

    def wait_for_reports(self, assignments: Sequence[Assignment], attempt: int) -> None:
        self.now += DEADLINE

    def run_again(self, reason: str) -> None:
        self.reasons.append(reason)

    def withdraw(self, assignments: Sequence[Assignment]) -> None: ...

    def mark_failed(self, invocation: InvocationId, shard: Digest, silo: SiloName, failure: Failure) -> None:
        self._refusals.add(invocation.text, shard, silo, failure, self.now)

    def mark_worked(self, shard: Digest, silos: Sequence[SiloName]) -> None:
        for silo in silos:
            self._refusals.worked(shard, silo)

    def cohort_sizes(self) -> Mapping[SiloName, int]:
        return self.sizes

    def finish_invocation(self, number: int) -> None:
        self.finished.append(number)

    def _does(self, what: str, assignment: Assignment) -> Outcome | None:
        silo, work = assignment.silo, assignment.work
        if what == "restart":
            self._kept = {key: value for key, value in self._kept.items() if key[0] != silo}
        elif what == "silent":
            return None
        elif what.startswith("policy."):
            return Failure(what, "by policy", retry_of_rule(what))
        elif what not in ("ok", "nan", "none", "more clients"):
            return Failure(what, "failed", retry_of_code(what))
        key = silo, work.invocation
        if work.stage == 0:
            self._kept[key] = VALUES[silo]
            sums = [VALUES[silo].sum(), float(VALUES[silo].size)]
        elif key not in self._kept:
            return Failure("KeptValuesLost", "restarted", retry_of_code("KeptValuesLost"))
        else:
            (mean,) = unframe(work.broadcasts[0].inline)
            sums = [((self._kept[key] - np.asarray(mean)) ** 2).sum(), float(VALUES[silo].size)]
        if what == "nan":
            sums[0] = float("nan")
        if what == "none":
            return Report(silo, 0, "none", "", None)
        more = 1 if what == "more clients" else 0
        path = self._folder / assignment.work_id
        path.write_bytes(frame([np.float64(value) for value in sums]).tobytes())
        return Report(silo, VALUES[silo].size + more, "cpu", "", path)


CLIENTS = Clients(SiloData("d", 1), {ClientInput(0, 0): SiloData("d", 1)})


def _planned(store: BlobStore, stages: Sequence[Stage]) -> Planned:
    binding = SimpleNamespace(
        plan=SimpleNamespace(stages=stages),
        label="variance",
        bind=lambda _: ({}, CLIENTS),
        result=lambda environment: float(environment["mean"]),
    )
    logic = [_Nothing(), _Divide("mean"), _Divide("variance")][: len(stages) + 1]
    planned = SimpleNamespace(binding=binding, server_logic=logic, stages=[_Merging(stage, store) for stage in stages])
    return cast(Planned, planned)


def _run(
    folder: Path, script: Mapping[SiloName, Sequence[str]], min_silos: int = 3, stages: Sequence[Stage] = STAGES
) -> tuple[Completed, _ScriptedSilos]:
    silos = _ScriptedSilos(folder, script, min_silos)
    return Invocation(cast(Silos, silos), _planned(silos.store, stages), {}, CLIENTS).run(), silos


def _expected(silos: Sequence[SiloName]) -> tuple[float, float]:
    values = np.concatenate([VALUES[silo] for silo in silos])
    return float(values.mean()), float(values.var())


def _found(completed: Completed) -> tuple[float, float]:
    return float(completed.environment["mean"]), float(completed.environment["variance"])


ALICE, BOB, CAROL, DAVE = NAMES


def test_all_stages_run_over_one_cohort_and_all_their_shards_are_offered_first(tmp_path: Path) -> None:
    completed, silos = _run(tmp_path, {})
    assert _found(completed) == pytest.approx(_expected(NAMES))
    assert silos.offered == [stage.shard for stage in STAGES]
    assert silos.cohorts == [NAMES]
    assert silos.asked == [(silo, stage) for stage in (0, 1) for silo in NAMES]


@pytest.mark.parametrize("what", ["silent", "nan", "ShardFailed", "DiskFull", "policy.limits.roundsPerJob"])
def test_a_silo_that_is_lost_between_the_stages_is_in_no_part_of_the_result(tmp_path: Path, what: str) -> None:
    completed, silos = _run(tmp_path, {BOB: ["ok", what, "silent", "silent"]})
    assert list(completed.silos) == [ALICE, CAROL, DAVE]
    (reason,) = silos.reasons
    assert reason.startswith("Only 3 silos contributed to stage 2 of 2, and at least 4 are needed.")
    assert _found(completed) == pytest.approx(_expected([ALICE, CAROL, DAVE]))
    assert len(silos.cohorts) == 2


def test_a_silo_that_does_not_report_the_first_stage_is_not_asked_for_the_second(tmp_path: Path) -> None:
    completed, silos = _run(tmp_path, {BOB: ["silent"]})
    assert _found(completed) == pytest.approx(_expected([ALICE, CAROL, DAVE]))
    assert (BOB, 1) not in silos.asked
    assert len(silos.cohorts) == 1


def test_a_silo_that_lost_its_kept_values_computes_them_again_with_all_others(tmp_path: Path) -> None:
    completed, silos = _run(tmp_path, {BOB: ["ok", "restart"]})
    assert _found(completed) == pytest.approx(_expected(NAMES))
    assert [stage for silo, stage in silos.asked if silo == ALICE] == [0, 1, 0, 1]


def test_without_kept_values_the_reports_of_an_earlier_attempt_are_used(tmp_path: Path) -> None:
    sums = [STAGES[0]]
    stages = [_without_keeping(sums[0])]
    _, silos = _run(tmp_path, {BOB: ["DiskFull"]}, min_silos=4, stages=stages)
    assert sorted(silos.asked) == sorted([(silo, 0) for silo in NAMES] + [(BOB, 0)])


def test_a_silo_whose_clients_changed_between_the_stages_is_not_asked_without_end(tmp_path: Path) -> None:
    """Without kept values, a report of the second stage is used again, so its number of clients stays another one."""
    stages = [_without_keeping(STAGES[0]), _reading_anew(STAGES[1])]
    completed, silos = _run(tmp_path, {BOB: ["ok", "more clients"]}, stages=stages)
    assert list(completed.silos) == [ALICE, CAROL, DAVE]
    assert silos.cohorts == [NAMES, [ALICE, CAROL, DAVE]]
    with pytest.raises(FedjobsError) as raised:
        _run(tmp_path, {BOB: ["ok", "more clients"]}, min_silos=4, stages=stages)
    assert raised.value.code is ErrorCode.COHORT_TOO_SMALL


def _reading_anew(stage: Stage) -> Stage:
    found = {name: getattr(stage, name) for name in Stage.__dataclass_fields__}
    return Stage(**{**found, "kept_inputs": (), "client_inputs": (ClientInput(0, 0),)})


def _without_keeping(stage: Stage) -> Stage:
    return Stage(**{**{name: getattr(stage, name) for name in Stage.__dataclass_fields__}, "kept_outputs": ()})


def test_a_silo_without_clients_does_not_count_for_min_silos(tmp_path: Path) -> None:
    with pytest.raises(FedjobsError) as raised:
        _run(tmp_path, {BOB: ["none"] * 9, CAROL: ["none"] * 9})
    assert raised.value.code is ErrorCode.COHORT_TOO_SMALL


def test_a_daily_limit_and_data_that_are_not_mounted_are_asked_again_until_they_pass(tmp_path: Path) -> None:
    script = {BOB: ["policy.limits.uploadBytesPerDay"] * 5, CAROL: ["DataNotFound"] * 3}
    completed, silos = _run(tmp_path, script, min_silos=4)
    assert _found(completed) == pytest.approx(_expected(NAMES))
    assert silos.asked.count((BOB, 0)) >= 6
    assert silos.now > 30  # with pauses


def test_a_rule_of_the_policy_is_final(tmp_path: Path) -> None:
    with pytest.raises(FedjobsError) as raised:
        _run(tmp_path, {BOB: ["policy.computations.operations"]}, min_silos=4)
    assert raised.value.code is ErrorCode.COHORT_TOO_SMALL


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [({}, NAMES), ({BOB: 2, DAVE: 2}, [ALICE, CAROL]), ({BOB: 2}, [])],
    ids=["no policy forbids it", "two policies forbid it", "the difference would show the only one that forbids it"],
)
def test_results_of_single_silos_are_those_that_the_policies_allow(
    tmp_path: Path, sizes: dict[SiloName, int], shown: list[SiloName]
) -> None:
    silos = _ScriptedSilos(tmp_path, {}, min_silos=3)
    silos.sizes = sizes
    invocations, computation = Invocations(cast(Silos, silos)), cast(Any, object())
    stages = [_without_keeping(STAGES[0])]
    invocations._planned[id(computation)] = (computation, _planned(silos.store, stages))
    result = invocations.run_with_silos(computation, None)
    assert result.value == pytest.approx(_expected(NAMES)[0])
    assert result.by_silo == pytest.approx({silo: VALUES[silo].mean() for silo in shown})
    assert silos.finished == [1]


_BEHAVIOUR = st.sampled_from(
    [
        "ok",
        "ok",
        "silent",
        "nan",
        "restart",
        "none",
        "DiskFull",
        "RunnerFailed",
        "ShardFailed",
        "policy.limits.uploadBytesPerDay",
        "policy.minClients",
    ]
)


@settings(deadline=None, max_examples=60)
@given(
    script=st.dictionaries(st.sampled_from(NAMES), st.lists(_BEHAVIOUR, max_size=6)),
    min_silos=st.integers(1, len(NAMES)),
)
def test_whatever_silos_do_all_parts_of_a_result_are_over_the_same_silos(
    script: dict[SiloName, list[str]], min_silos: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        final = {"nan", "none", "RunnerFailed", "ShardFailed", "policy.minClients"}
        sound = [silo for silo in NAMES if not final.intersection(script.get(silo, []))]
        try:
            completed, silos = _run(Path(folder), script, min_silos)
        except FedjobsError:
            assert len(sound) < min_silos
            return
        assert len(completed.silos) >= min_silos
        assert _found(completed) == pytest.approx(_expected(completed.silos))
        assert set(completed.silos) <= set(silos.cohorts[-1])
