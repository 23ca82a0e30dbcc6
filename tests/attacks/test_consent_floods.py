"""A hostile coordinator asks for decisions without end, or while the audit log cannot be written. No process runs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fedjobs_common.digests import digest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_worker.consent.consents import MOST_REFUSALS, MOST_WAITING, Awaiting, Computation
from fedjobs_worker.consent.data_reads import DataReads
from fedjobs_worker.consent.policies import Allowed, Refused
from fedjobs_worker.sessions import computations
from fedjobs_worker.sessions.blob_cache import BlobCache
from fedjobs_worker.sessions.computations import MOST_SCOPES, Computations, ShardRejectedError

from tests.worker.test_consents import A_SHARD, SHARD, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


class FullDisk:
    """Makes some calls of `Audit.record` fail."""

    def __init__(self, site: Site, fails: Callable[[dict[str, Any]], bool]) -> None:
        self._record = site.consents._audit.record
        self.fails = fails
        site.consents._audit.record = self  # type: ignore[method-assign, assignment]

    def __call__(self, subject: str, decision: object, **details: Any) -> None:
        if self.fails(details):
            raise FedjobsError(ErrorCode.DISK_FULL, "the disk is full")
        self._record(subject, decision, **details)  # type: ignore[arg-type]


def test_a_computation_does_not_run_unless_the_decision_is_recorded(site: Site) -> None:
    site.approve()
    disk = FullDisk(site, lambda _: True)
    for _ in range(2):
        with pytest.raises(FedjobsError, match="the disk is full"):
            site.asked()
    disk.fails = lambda _: False
    assert site.asked() == Allowed()
    assert site.audited() == [("allowed", "dr-no")]


def test_a_decision_that_could_not_be_recorded_is_told_later(site: Site) -> None:
    site.asked()
    site.approve()
    disk = FullDisk(site, lambda _: True)
    with pytest.raises(FedjobsError, match="the disk is full"):
        site.consents.changed()
    assert site.consents.waiting
    disk.fails = lambda _: False
    assert site.consents.changed() == [(site.computation(), Allowed())]
    assert not site.consents.waiting


def test_one_decision_that_cannot_be_recorded_does_not_hide_the_others(site: Site) -> None:
    site.invited = ["digits", "patients"]
    site.consents = site.started()
    for name in site.invited:
        site.asked(name)
        site.approve(name)
    disk = FullDisk(site, lambda details: details["datasets"] == ["patients"])
    assert site.consents.changed() == [(site.computation("digits"), Allowed())]
    disk.fails = lambda _: False
    assert site.consents.changed() == [(site.computation("patients"), Allowed())]


def test_a_decision_that_work_finds_first_is_told_too(site: Site) -> None:
    site.asked()
    site.approve()
    assert site.asked() == Allowed()
    assert site.consents.changed() == [(site.computation(), Allowed())]


def test_few_computations_wait_at_a_time_also_after_restarts(site: Site) -> None:
    """Each combination of datasets is a decision of its own, and has a file for the person who reviews it."""
    many = shard_pb2.Shard()
    many.CopyFrom(A_SHARD)
    many.client_inputs.extend([A_SHARD.client_inputs[0]] * 7)
    site.invited = ["digits", "patients"]
    said = []
    for number, datasets in enumerate(itertools.product(["digits", "patients", ""], repeat=8)):
        if number % 40 == 0:
            site.consents = site.started()
        said.append(
            site.consents.of(Computation(SHARD, many, frozenset({"MatMul"}), "train", DataReads(datasets, "digits")))
        )
        if number == 100:
            break
    assert sum(isinstance(each, Awaiting) for each in said) == MOST_WAITING
    assert len(site.pending.all()) == MOST_WAITING
    assert (
        "wait for approval by silo hospital-a already"
        in next(each for each in said if isinstance(each, Refused)).message
    )
    site.consents = site.started("2")
    assert isinstance(site.asked(), Awaiting)


def test_refusals_are_recorded_a_limited_number_of_times(site: Site) -> None:
    for number in range(MOST_REFUSALS + 50):
        site.consents.refused(digest(str(number).encode()), Refused("ShardRefused", "no shard"), "label", ())
    assert len(site.audited()) == MOST_REFUSALS
    assert len(site.consents._unverified) == MOST_REFUSALS


def test_a_computation_is_asked_about_a_limited_number_of_datasets(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class Runner:
        def load_shard(self, *_: object) -> None: ...

    class Verified:
        message, operations, serialized = A_SHARD, frozenset({"MatMul"}), b""

    monkeypatch.setattr(computations, "Verified", Verified)
    asked = Computations(BlobCache(), Runner(), site.consents)  # type: ignore[arg-type]
    monkeypatch.setattr(asked, "_verified", lambda _: Verified)
    blob = pb.Blob(digest=bytes.fromhex(digest(b"")), inline=b"")

    def consent(*datasets: str) -> object:
        return asked.consent(blob, "train", DataReads(datasets), lambda _: None)

    for number in range(MOST_SCOPES):
        with pytest.raises(ShardRejectedError, match="client inputs"):
            consent(*["digits"] * (number + 2))  # as many as a message has
    with pytest.raises(ShardRejectedError, match=f"more than {MOST_SCOPES} combinations"):
        consent("digits")
    entries = [json.loads(line) for line in (site.folder / "audit.jsonl").read_text().splitlines()]
    assert [entry["rule"] for entry in entries] == ["ShardRefused"]
