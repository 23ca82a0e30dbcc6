from __future__ import annotations

import os

import pytest
from fedjobs_common import digests
from fedjobs_common.chunks import CHUNK, read_chunks, view_chunks
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.file_pool import FilePool
from fedjobs_protocol.transfers.blobs import Upload, committed_in

VALUE = os.urandom(1000) * 3000
DIGEST = digests.raw(digests.digest(VALUE))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "upload.part"


@pytest.fixture(params=["new file", "spare file", "no spare file left"])
def spares(request, tmp_path):
    """The behavior of an upload does not depend on the file that it gets."""
    if request.param == "new file":
        return None
    spares = FilePool(tmp_path / "spares", most=2)
    if request.param == "spare file":
        old = tmp_path / "old"
        old.write_bytes(b"old" * 2_000_000)
        spares.give(old)
    return spares


def test_an_upload_is_complete_with_its_last_byte_and_its_digest(path, spares):
    upload = Upload(path, len(VALUE), spares)
    upload.write(VALUE[:CHUNK])
    assert not upload.finish(DIGEST)
    assert upload.committed == CHUNK
    upload.write(VALUE[CHUNK:])
    assert upload.finish(DIGEST)
    assert upload.digest == DIGEST.hex()
    assert path.read_bytes() == VALUE
    assert committed_in(path) == len(VALUE)
    assert [left.name for left in path.parent.iterdir() if left.is_file()] == [path.name]


def test_an_upload_continues_after_a_restart(path, spares):
    first = Upload(path, len(VALUE), spares)
    first.write(VALUE[:12345])
    first.close()
    assert committed_in(path) == 12345
    again = Upload(path, len(VALUE), spares)
    assert again.committed == 12345
    again.write(VALUE[12345:])
    assert again.finish(DIGEST)


def test_an_upload_with_another_digest_starts_over(path, spares):
    upload = Upload(path, len(VALUE), spares)
    upload.write(bytes(len(VALUE)))
    assert not upload.finish(DIGEST)
    assert upload.committed == committed_in(path) == 0
    upload.write(VALUE)
    assert upload.finish(DIGEST)


def test_more_bytes_than_announced_are_refused(path, spares):
    upload = Upload(path, 10, spares)
    upload.write(b"12345")
    with pytest.raises(FedjobsError) as raised:
        upload.write(b"678901")
    assert raised.value.code is ErrorCode.BLOB_TOO_LARGE
    assert upload.committed == 5


def test_a_file_that_is_longer_than_the_upload_is_not_continued(path):
    path.write_bytes(bytes(11))
    assert Upload(path, 10).committed == 0


def test_a_finished_upload_is_found_after_a_restart(path, spares):
    upload = Upload(path, len(VALUE), spares)
    upload.write(VALUE)
    upload.close()
    again = Upload(path, len(VALUE), spares)
    assert again.committed == len(VALUE)
    assert again.finish(DIGEST)


def test_a_discarded_upload_leaves_nothing(path, spares):
    upload = Upload(path, 10, spares)
    upload.write(b"123")
    upload.discard()
    upload.close()
    assert [left for left in path.parent.iterdir() if left.is_file()] == []
    assert committed_in(path) == 0


def test_a_progress_mark_that_does_not_match_the_file_is_ignored(path):
    path.with_name(f"{path.name}.committed").write_bytes((1000).to_bytes(8, "little"))
    path.write_bytes(b"123")
    assert Upload(path, len(VALUE)).committed == 0


@pytest.mark.parametrize(("offset", "size"), [(0, len(VALUE)), (CHUNK - 1, len(VALUE)), (5, 5), (0, 1)])
def test_chunks_of_a_file_and_of_a_buffer_are_the_bytes_of_the_range(path, offset, size):
    path.write_bytes(VALUE)
    with path.open("rb") as file:
        from_file = list(read_chunks(file.fileno(), offset, size))
    from_buffer = list(view_chunks(memoryview(VALUE), offset, size))
    assert from_file == from_buffer
    assert b"".join(from_file) == VALUE[offset:size]
    assert all(0 < len(chunk) <= CHUNK for chunk in from_file)


def test_a_stored_blob_that_is_too_short_is_an_error(path):
    path.write_bytes(b"123")
    with path.open("rb") as file, pytest.raises(FedjobsError, match="has only 3 bytes") as raised:
        list(read_chunks(file.fileno(), 0, 10))
    assert raised.value.code is ErrorCode.BLOB_CORRUPT


def test_an_aborted_upload_accepts_no_data_and_gives_the_reason(path):
    upload = Upload(path, len(VALUE))
    upload.write(VALUE[:10])
    upload.discard()
    for call in (lambda: upload.write(VALUE[10:]), lambda: upload.finish(DIGEST)):
        with pytest.raises(FedjobsError) as raised:
            call()
        assert raised.value.code is ErrorCode.WORK_NOT_FOUND
