"""What session and runner say to one another: requests and their replies, as JSON, with values in shared memory."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Piece(_Message):
    """A value in the memory of one of the message's descriptors."""

    descriptor: int
    """Index among the message's descriptors."""
    offset: int
    size: int


class Hello(_Message):
    """The first request. Its reply comes once TensorFlow is there."""

    do: Literal["hello"] = "hello"
    silo: str
    job: str = ""
    """Its name, for the log."""
    threads: int | None = None


class LoadShard(_Message):
    """A serialized shard, in the first descriptor. TensorFlow builds nothing of it before it is run."""

    do: Literal["load-shard"] = "load-shard"
    digest: str


class LoadData(_Message):
    """A dataset in the first descriptor: a framed value of the components' arrays and, last, the clients' offsets."""

    do: Literal["load-data"] = "load-data"
    dataset: str


class SelectedClients(_Message):
    """One client input, from a dataset that was loaded."""

    dataset: str
    components: list[int]
    """Positions of the components that the shard wants, in its order."""
    clients: Piece
    """Indices of the clients, int64."""


class Run(_Message):
    """Runs a shard. The accumulators are written to the last descriptor."""

    do: Literal["run"] = "run"
    digest: str
    broadcasts: list[Piece]
    client_inputs: list[SelectedClients | Piece]
    """A piece is a framed value with one leaf for each client."""
    clients: int
    """How often to run a shard without client inputs."""


Request = Annotated[Hello | LoadShard | LoadData | Run, Field(discriminator="do")]


class Ready(_Message):
    reply: Literal["ready"] = "ready"


class ShardLoaded(_Message):
    reply: Literal["shard-loaded"] = "shard-loaded"
    operations: list[str]
    """All TensorFlow operations in the shard, for the session to judge."""


class DataLoaded(_Message):
    reply: Literal["data-loaded"] = "data-loaded"


class Ran(_Message):
    reply: Literal["ran"] = "ran"
    size: int
    """Bytes of the framed accumulators."""
    clients: int
    """That were accumulated."""
    seconds: float
    device: str


class Failed(_Message):
    reply: Literal["failed"] = "failed"
    code: str
    """Of the error catalogue."""
    message: str


Reply = Annotated[Ready | ShardLoaded | DataLoaded | Ran | Failed, Field(discriminator="reply")]

REQUESTS: TypeAdapter[Request] = TypeAdapter(Request)
REPLIES: TypeAdapter[Reply] = TypeAdapter(Reply)
