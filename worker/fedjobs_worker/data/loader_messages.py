"""The replies of a loader to the session."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, TypeAdapter

from fedjobs_worker.channels.messages import Failed


class ComponentSchema(BaseModel):
    name: str
    dtype: str
    shape: tuple[int, ...]


class Loaded(BaseModel):
    """The data are in the message's descriptor: a framed value of the components' arrays, followed by the offsets."""

    reply: Literal["loaded"] = "loaded"
    schema_: list[ComponentSchema]
    clients: int


LOADER_REPLIES: TypeAdapter[Loaded | Failed] = TypeAdapter(Loaded | Failed)
