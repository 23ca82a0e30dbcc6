from __future__ import annotations

import os
import threading

import pytest
from fedjobs_common import digests
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.transfers.transfers import Download, Outgoing, cancelled_when_stalled

VALUE = os.urandom(5000)
DIGEST = digests.raw(digests.digest(VALUE))


class Call:
    def __init__(self):
        self.cancelled = threading.Event()

    def cancel(self):
        self.cancelled.set()


def test_a_download_that_ends_early_may_be_resumed():
    download = Download(DIGEST, len(VALUE), lambda chunk: None)
    download.write(VALUE[:100])
    with pytest.raises(FedjobsError, match="100 of 5000") as raised:
        download.verify()
    assert raised.value.code is ErrorCode.UNAVAILABLE
    download.write(VALUE[100:])
    download.verify()


def test_a_download_of_too_many_bytes_starts_over():
    fd = os.memfd_create("value")
    download = Download(DIGEST, len(VALUE), fd)
    with pytest.raises(FedjobsError) as raised:
        download.write(VALUE + b"!")
    assert raised.value.code is ErrorCode.BLOB_CORRUPT
    assert download.committed == 0
    os.close(fd)


@pytest.mark.parametrize("offset", [0, 1234, 5000])
def test_an_upload_ends_with_the_digest_of_the_whole_content(offset):
    outgoing = Outgoing(VALUE)
    *chunks, digest = outgoing.messages(offset)
    assert b"".join(chunks) == VALUE[offset:]
    assert digest == outgoing.digest == DIGEST


def test_a_released_buffer_can_be_closed():
    buffer = bytearray(VALUE)
    outgoing = Outgoing(memoryview(buffer))
    list(outgoing.messages(0))
    outgoing.release()
    buffer.clear()


def test_a_stalled_call_is_cancelled():
    call = Call()
    with cancelled_when_stalled(call, lambda: 7, limit_s=0.01):
        assert call.cancelled.wait(10)


def test_a_slow_call_that_makes_progress_is_not_cancelled():
    call, position, asked = Call(), iter(range(1000)), threading.Semaphore(0)

    def moving():
        asked.release()
        return next(position)

    with cancelled_when_stalled(call, moving, limit_s=0.005):
        assert all(asked.acquire(timeout=10) for _ in range(5))
    assert not call.cancelled.is_set()
