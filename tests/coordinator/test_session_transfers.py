"""Transfers in parts between silos and the coordinator's sessions: accumulators up, values down."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import SiloName
from fedjobs_protocol.transfers.declared_sizes import LARGEST_UNKNOWN
from fedjobs_protocol.transfers.values import frame
from fedjobs_protocol.v1 import session_pb2 as pb

from .builders import (
    ALICE,
    BOB,
    FRAMED,
    OTHER_WORK,
    WORK,
    Desk,
    a_result,
    an_assignment,
    failure,
    peer,
    taken,
)

# --- uploads


def test_an_uploaded_result_is_accepted(desk: Desk) -> None:
    assignment = desk.assign(an_assignment(ALICE))

    async def calls() -> None:
        upload = await desk.upload(ALICE)
        digest = digests.raw(digests.digest(FRAMED))
        assert upload.finish(digest)
        await desk.report(ALICE, a_result(digest=digest))

    asyncio.run(calls())
    path = taken(assignment).path
    assert path is not None
    assert path.read_bytes() == FRAMED


def test_an_invalid_upload_fails_the_silos_work_and_leaves_nothing_behind(desk: Desk) -> None:
    assignment = desk.assign(an_assignment(ALICE))
    garbage = b"\xff" * len(FRAMED)

    async def calls() -> None:
        await desk.upload(ALICE, garbage)
        await desk.report(ALICE, a_result(digest=digests.raw(digests.digest(garbage))))

    asyncio.run(calls())
    assert failure(assignment).reason == "ReportMalformed"
    assert desk.files() == []


def test_an_upload_of_more_than_the_plan_expects_is_refused_before_a_byte_is_stored(desk: Desk) -> None:
    desk.assign(an_assignment(ALICE, largest=len(FRAMED)))
    with pytest.raises(FedjobsError, match="at most") as raised:
        asyncio.run(desk.upload(ALICE, b"", size=len(FRAMED) + 1))
    assert raised.value.code is ErrorCode.BLOB_TOO_LARGE
    assert desk.files() == []


def test_an_upload_without_work_or_for_the_work_of_another_silo_is_refused(desk: Desk) -> None:
    desk.assign(an_assignment(ALICE))
    desk.assign(an_assignment(BOB, OTHER_WORK))
    for silo, work_id in ((BOB, WORK), (ALICE, OTHER_WORK)):
        with pytest.raises(FedjobsError) as raised:
            asyncio.run(desk.upload(silo, work_id=work_id))
        assert raised.value.code is ErrorCode.WORK_NOT_FOUND
    assert desk.files() == []


def test_unfinished_uploads_use_one_file_per_silo_and_are_deleted_with_the_durable_state(desk: Desk) -> None:
    desk.assign(an_assignment(ALICE, largest=LARGEST_UNKNOWN))

    async def calls() -> None:
        for size in range(1, 500):
            await desk.upload(ALICE, b"x", size=size)

    asyncio.run(calls())
    assert len(desk.files()) <= 2  # the partial upload, and its progress if it uses a spare file
    desk.sessions.withdraw([WORK])
    desk.reports.forget()
    assert desk.files() == []


# --- downloads


def test_a_silo_can_read_the_blobs_of_its_current_work(desk: Desk) -> None:
    blob = desk.store.put(frame([np.arange(10)]))
    digest = digests.raw(blob.digest)
    desk.assign(an_assignment(ALICE, blobs={digest: blob}))

    async def error_of(silo: SiloName, digest: bytes) -> str:
        with pytest.raises(FedjobsError) as raised:
            await desk.sessions.open_blob(
                peer(silo), pb.FetchBlobRequest(session_id=await desk.join(silo), digest=digest)
            )
        assert raised.value.code is ErrorCode.BLOB_NOT_FOUND
        return raised.value.public

    async def calls() -> None:
        request = pb.FetchBlobRequest(session_id=await desk.join(ALICE), digest=digest)
        assert (await desk.sessions.open_blob(peer(ALICE), request)).size == blob.size
        assert await error_of(BOB, digest) == await error_of(BOB, bytes(32))
        desk.sessions.withdraw([WORK])
        await error_of(ALICE, digest)

    asyncio.run(calls())


def test_a_download_keeps_its_blob(desk: Desk) -> None:
    blob = desk.store.put(frame([np.arange(10)]))
    digest = digests.raw(blob.digest)
    desk.assign(an_assignment(ALICE, blobs={digest: blob}))
    del blob

    async def calls() -> None:
        request = pb.FetchBlobRequest(session_id=await desk.join(ALICE), digest=digest)
        source = await desk.sessions.open_blob(peer(ALICE), request)
        desk.sessions.withdraw([WORK])
        assert len(list((desk.folder / "values").iterdir())) == 1
        del source

    asyncio.run(calls())
    assert not list((desk.folder / "values").iterdir())
