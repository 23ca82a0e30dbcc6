from __future__ import annotations

import os
from pathlib import Path

import pytest
from fedjobs_worker.channels import channel, shared_memory
from fedjobs_worker.channels.channel import Channel, ChannelClosedError


@pytest.fixture
def ends() -> tuple[Channel, Channel]:
    one, other = channel.pair()
    return Channel(one), Channel(other)


def test_a_message_arrives_completely_with_its_descriptors(ends: tuple[Channel, Channel]) -> None:
    memory = shared_memory.create("test")
    shared_memory.write(memory, [b"content"])
    ends[0].send(b"message", [memory])
    message, (received,) = ends[1].receive()
    assert message == b"message"
    assert os.pread(received, 100, 0) == b"content"


def test_more_descriptors_than_fit_one_packet_arrive_in_order(ends: tuple[Channel, Channel]) -> None:
    memories = [shared_memory.create("test") for _ in range(600)]
    for number, memory in enumerate(memories):
        shared_memory.write(memory, [str(number).encode()])
    ends[0].send(b"many", memories)
    ends[0].send(b"next")
    _, received = ends[1].receive()
    assert [os.pread(memory, 10, 0) for memory in received] == [str(number).encode() for number in range(600)]
    assert ends[1].receive() == (b"next", [])
    for memory in [*memories, *received]:
        os.close(memory)


def test_a_message_that_is_too_long_is_not_sent(ends: tuple[Channel, Channel]) -> None:
    with pytest.raises(ValueError, match="but the maximum is"):
        ends[0].send(bytes(channel.LONGEST_MESSAGE + 1))
    ends[0].send(bytes(channel.LONGEST_MESSAGE))
    assert len(ends[1].receive()[0]) == channel.LONGEST_MESSAGE


def test_the_end_of_the_other_process_is_noticed(ends: tuple[Channel, Channel]) -> None:
    ends[0].close()
    with pytest.raises(ChannelClosedError):
        ends[1].receive()
    with pytest.raises(ChannelClosedError):
        ends[1].send(b"message")


def test_a_socket_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    channel.listener(path).close()
    listening = channel.listener(path)
    assert Path(path).stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="another process listens there"):
        channel.listener(path)
    listening.close()


def test_memory_that_is_reused_has_the_length_of_the_new_content() -> None:
    memory = shared_memory.create("test")
    assert shared_memory.write(memory, [b"a long content"]) == 14
    assert shared_memory.write(memory, [b"new", b"", memoryview(b"er")]) == 5
    assert bytes(shared_memory.mapped(memory)) == b"newer"


def test_many_buffers_are_written_in_order() -> None:
    memory = shared_memory.create("test")
    parts = [str(number).encode() for number in range(2000)]
    shared_memory.write(memory, parts)
    assert bytes(shared_memory.mapped(memory)) == b"".join(parts)


def test_sealed_memory_cannot_be_changed_and_can_be_mapped() -> None:
    memory = shared_memory.create("test")
    shared_memory.write(memory, [b"content"])
    shared_memory.seal(memory)
    with pytest.raises(PermissionError):
        os.pwrite(memory, b"x", 0)
    view = shared_memory.mapped(memory)
    view[0] = 0  # private
    assert os.pread(memory, 7, 0) == b"content"
