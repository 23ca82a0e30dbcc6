"""The messages between session and runner: requests and replies in JSON, with values in shared memory."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Piece(_Message):
    """A value in the shared memory of one of the message's descriptors."""

    descriptor: int
    """The index of the descriptor in the message."""
    offset: int
    size: int


class Hello(_Message):
    """The first request. The runner replies when TensorFlow is initialized."""

    do: Literal["hello"] = "hello"
    silo: str
    job: str = ""
    """The name of the job, for the log."""
    threads: int | None = None


class LoadShard(_Message):
    """A serialized shard in the first descriptor. TensorFlow does not build its graphs before it is run."""

    do: Literal["load-shard"] = "load-shard"
    digest: str


class LoadData(_Message):
    """A dataset in the first descriptor: a framed value of the components' arrays, followed by the clients' offsets."""

    do: Literal["load-data"] = "load-data"
    dataset: str


class SelectedClients(_Message):
    """A client input from a loaded dataset."""

    dataset: str
    components: list[int]
    """The positions of the components that the shard needs, in the shard's order."""
    clients: Piece
    """The indices of the clients, int64."""


class KeptClients(_Message):
    """A value that an earlier run kept of each client."""

    values: Piece
    """What that run kept: a framed value with all outputs of the first client, then those of the second, and so on."""
    outputs: int
    """The number of outputs of each client."""
    output: int
    """The number of this output."""


class Run(_Message):
    """Runs a shard. The accumulators are written to the last descriptor.

    If the shard keeps values, they are written to the last descriptor, and the accumulators to the one before.
    """

    do: Literal["run"] = "run"
    digest: str
    broadcasts: list[Piece]
    client_inputs: list[SelectedClients | KeptClients | Piece]
    """The shard's client inputs, then its kept inputs. A `Piece` is a framed value with one leaf for each client."""
    clients: int
    """The number of clients. Each input has the values of this many."""


Request = Annotated[Hello | LoadShard | LoadData | Run, Field(discriminator="do")]


class Ready(_Message):
    reply: Literal["ready"] = "ready"


class ShardLoaded(_Message):
    reply: Literal["shard-loaded"] = "shard-loaded"


class DataLoaded(_Message):
    reply: Literal["data-loaded"] = "data-loaded"


class Ran(_Message):
    reply: Literal["ran"] = "ran"
    size: int
    """The size of the framed accumulators in bytes."""
    clients: int
    """The number of clients in the accumulators."""
    device: str


class Failed(_Message):
    reply: Literal["failed"] = "failed"
    code: str
    """A code of the error catalogue."""
    message: str
    """For the silo's log. It may contain data."""
    failure: str = ""
    """The name of a `FailureClass`, from a runner."""
    node: str = ""
    """The name of the node that failed, as far as the runner knows it."""


Reply = Annotated[Ready | ShardLoaded | DataLoaded | Ran | Failed, Field(discriminator="reply")]

REQUESTS: TypeAdapter[Request] = TypeAdapter(Request)
REPLIES: TypeAdapter[Reply] = TypeAdapter(Reply)
