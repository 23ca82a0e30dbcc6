"""What a session keeps in memory: fetched blobs and finished works."""

from __future__ import annotations

import os

import pytest
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_protocol.transfers.transfers import Download
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_worker.channels import shared_memory
from fedjobs_worker.release.finished import Finished
from fedjobs_worker.sessions import blob_cache
from fedjobs_worker.sessions.blob_cache import BlobCache
from fedjobs_worker.sessions.finished_works import FinishedWorks


class Coordinator:
    def __init__(self) -> None:
        self.fetched = 0

    def get(self, cache: BlobCache, content: bytes) -> bytes:
        def fetch(download: Download) -> None:
            self.fetched += 1
            download.write(content[download.committed :])

        digest = digests.raw(digests.digest(content))
        return os.pread(cache.get(digest, len(content), fetch), len(content) + 1, 0)


def test_a_blob_is_fetched_once() -> None:
    cache, coordinator = BlobCache(), Coordinator()
    assert [coordinator.get(cache, b"abc"), coordinator.get(cache, b"abc")] == [b"abc", b"abc"]
    assert coordinator.fetched == 1


def test_an_interrupted_download_continues() -> None:
    cache, digest = BlobCache(), digests.raw(digests.digest(b"abcdef"))

    def cut(download: Download) -> None:
        download.write(b"abc")
        raise ConnectionError

    with pytest.raises(ConnectionError):
        cache.get(digest, 6, cut)
    assert os.pread(cache.get(digest, 6, lambda download: download.write(b"def")), 6, 0) == b"abcdef"


def test_unneeded_blobs_are_dropped_and_their_memory_is_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_cache, "_KEPT", 4)
    cache, coordinator = BlobCache(), Coordinator()
    for content in (b"first", b"second"):
        coordinator.get(cache, content)
    cache.make_room({digests.digest(b"second")})
    assert coordinator.get(cache, b"new") == b"new"
    coordinator.get(cache, b"second")
    assert coordinator.fetched == 3
    coordinator.get(cache, b"first")
    assert coordinator.fetched == 4


def finished(size: int) -> Finished:
    return Finished(pb.Report(), shared_memory.create("accumulators"), size)


def test_the_last_works_are_stored() -> None:
    works = FinishedWorks()
    for number in range(10):
        works.make_room()
        works.add(Digest(str(number)), finished(10))
    works.make_room()
    assert [number for number in range(10) if works.get(Digest(str(number)))] == list(range(2, 10))


def test_large_accumulators_are_kept_until_the_next_work_and_then_freed() -> None:
    works = FinishedWorks()
    works.add(Digest("large"), large := finished(1 << 30))
    assert works.get(Digest("large")) is large
    works.make_room()
    assert works.get(Digest("large")) is None
    assert isinstance(large.accumulators, int)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(large.accumulators)


@pytest.mark.parametrize("size", [2**33 + 1, 2**63, 2**64 - 1])
def test_a_blob_of_an_absurd_size_is_refused_before_memory_is_allocated(size: int) -> None:
    with pytest.raises(FedjobsError) as caught:
        BlobCache().get(bytes(32), size, lambda _: pytest.fail("it was fetched"))
    assert caught.value.code is ErrorCode.BLOB_TOO_LARGE
