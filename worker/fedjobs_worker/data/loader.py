"""The loader: reads one dataset, sends it to the session, and exits.

It is a separate process, so that the process with access to files and credentials of the data has nothing of the job.

    python -m fedjobs_worker.data.loader --channel FD

The request is the dataset's description in the silo file. The reply is the schema, with the data in shared memory.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys

from fedjobs_common.errors import FedjobsError
from fedjobs_protocol.transfers.values import frame

from fedjobs_worker import kernel_calls, logs
from fedjobs_worker.channels import shared_memory
from fedjobs_worker.channels.channel import Channel, ChannelClosedError
from fedjobs_worker.channels.messages import Failed
from fedjobs_worker.data import datasets
from fedjobs_worker.data.loader_messages import ComponentSchema, Loaded
from fedjobs_worker.silo_files import DatasetFile

_LONGEST_TEXT = 8000  # maximum number of characters of a message


def main(arguments: list[str] | None = None) -> int:
    """Answers one request."""
    kernel_calls.die_with_parent()
    parser = argparse.ArgumentParser("python -m fedjobs_worker.data.loader", description=__doc__)
    parser.add_argument("--channel", type=int, required=True, help="file descriptor of the channel to the session")
    parser.add_argument("--silo", required=True)
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args(arguments)
    logs.configure(options.debug)
    logs.tell(silo=options.silo)
    channel = Channel(socket.socket(fileno=options.channel))
    try:
        request, _ = channel.receive()
        reply, descriptors = _load(DatasetFile.model_validate_json(request))
        channel.send(reply.model_dump_json().encode(), descriptors)
    except ChannelClosedError:
        return 1
    return 0


def _load(description: DatasetFile) -> tuple[Loaded | Failed, list[int]]:
    try:
        dataset = datasets.load(description)
    except FedjobsError as error:
        return Failed(code=error.code.label, message=error.public[:_LONGEST_TEXT]), []
    memory = shared_memory.create("dataset")
    # The offsets come last, so that the first array starts at an aligned address.
    shared_memory.write(memory, frame([*dataset.arrays, dataset.offsets]).buffers())
    shared_memory.seal(memory)
    schema = [ComponentSchema(name=c.name, dtype=c.dtype, shape=c.shape) for c in dataset.schema]
    return Loaded(schema_=schema, clients=len(dataset.offsets) - 1), [memory]


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    # os._exit, because threads of pyarrow that are still starting abort the process at a normal exit.
    os._exit(status)
