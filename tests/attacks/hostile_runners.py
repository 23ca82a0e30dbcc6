"""A runner that was taken over: it speaks the protocol of runners, and answers a run as a test says. No TensorFlow."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fedjobs_protocol.transfers.values import frame
from fedjobs_worker.channels import messages, shared_memory
from fedjobs_worker.channels.channel import Channel, ChannelClosedError, listener
from fedjobs_worker.runner.client import RunnerClient

Answer = Callable[[messages.Run, list[int]], bytes]
"""Returns the reply to a run, in bytes. Gets the message and its descriptors, of which the last is for the result."""


class HostileRunner:
    """Listens like a runner host. It has the part of `RunnerHost` that a silo's process needs."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "runner.sock")
        self.answer: Answer = lambda _, descriptors: honest(descriptors)
        self.runs = 0
        self.kept: list[int] = []
        """The descriptors of results that the runner kept."""
        self._listening = listener(self.socket)
        threading.Thread(target=self._accept, daemon=True).start()

    def client(self) -> RunnerClient:
        return RunnerClient(self.socket, "hospital-a")

    def close(self) -> None:
        self._listening.close()
        for descriptor in self.kept:
            os.close(descriptor)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(Channel(connection),), daemon=True).start()

    def _serve(self, channel: Channel) -> None:
        try:
            while True:
                message, descriptors = channel.receive()
                channel.send(self._reply(messages.REQUESTS.validate_json(message), descriptors))
        except ChannelClosedError:
            return

    def _reply(self, request: Any, descriptors: list[int]) -> bytes:
        replies: dict[type, messages.Reply] = {
            messages.Hello: messages.Ready(),
            messages.LoadShard: messages.ShardLoaded(),
            messages.LoadData: messages.DataLoaded(),
        }
        if not isinstance(request, messages.Run):
            return replies[type(request)].model_dump_json().encode()
        self.runs += 1
        reply = self.answer(request, descriptors)
        self.kept.append(descriptors[-1])
        return reply


def write(descriptors: list[int], *leaves: Any) -> None:
    """Writes a framed result."""
    shared_memory.write(descriptors[-1], frame(leaves).buffers())


def honest(descriptors: list[int], value: float = 21.0) -> bytes:
    """Writes a sum as the shard declares it, and returns the reply."""
    write(descriptors, np.array(value, np.float32))
    return ran()


def ran(clients: int = 2, device: str = "cpu") -> bytes:
    return messages.Ran(size=0, clients=clients, device=device).model_dump_json().encode()


def failed(**fields: str) -> bytes:
    return messages.Failed(**({"code": "ShardFailed", "message": ""} | fields)).model_dump_json().encode()
