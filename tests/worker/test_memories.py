"""What a session keeps in memory: fetched blobs and finished works."""

from __future__ import annotations

import os

import pytest
from fedjobs_common import digests
from fedjobs_protocol.transfers.transfers import Download
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_worker.channels import shared_memory
from fedjobs_worker.sessions import blob_cache
from fedjobs_worker.sessions.blob_cache import BlobCache
from fedjobs_worker.sessions.finished_works import Finished, FinishedWorks


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


def finished(work_id: str, size: int, works: FinishedWorks) -> Finished:
    return Finished(pb.Report(work_id=work_id), works.memory(), size)


def test_the_last_works_are_stored() -> None:
    works = FinishedWorks()
    for number in range(10):
        works.make_room()
        works.add(finished(str(number), 10, works))
    works.make_room()
    assert [number for number in range(10) if works.get(str(number))] == list(range(2, 10))


def test_large_accumulators_are_kept_until_the_next_work_and_their_memory_is_reused() -> None:
    works = FinishedWorks()
    works.add(large := finished("large", 1 << 30, works))
    assert works.get("large") is large
    works.make_room()
    assert works.get("large") is None
    assert works.memory() == large.accumulators


def test_one_piece_of_spare_memory_is_kept() -> None:
    works = FinishedWorks()
    first, second = shared_memory.create("a"), shared_memory.create("b")
    works.recycle(first)
    works.recycle(second)
    assert works.memory() == second
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first)
