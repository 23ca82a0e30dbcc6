"""TFF execution contexts that run computations over the silos."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import tensorflow_federated as tff
from tensorflow_federated.python.core.impl.context_stack import context_base

from fedjobs_coordinator.invocations.invocations import Invocations


class SyncContext(context_base.SyncContext):
    """The context for programs that call computations as functions."""

    def __init__(self, invocations: Invocations) -> None:
        self._invocations = invocations

    def invoke(self, comp: tff.Computation, arg: Any) -> Any:
        """See the base class."""
        return self._invocations.run(comp, arg).value


class AsyncContext(context_base.AsyncContext):
    """The context for programs that await computations. It does not block the event loop.

    Args:
        invocations: Runs the computations.
        ready: Awaited before each computation.
    """

    def __init__(self, invocations: Invocations, ready: Callable[[], Awaitable[None]] | None = None) -> None:
        self._invocations = invocations
        self._ready = ready

    async def invoke(self, comp: tff.Computation, arg: Any) -> Any:
        """See the base class."""
        if asyncio.iscoroutine(arg):
            arg = await arg
        if self._ready is not None:
            await self._ready()
        return (await asyncio.to_thread(self._invocations.run, comp, arg)).value


def federated_context(
    invocations: Invocations, ready: Callable[[], Awaitable[None]] | None = None
) -> tff.program.FederatedContext:
    """Returns a context for `tff.program` and `tff.learning.programs`. See AsyncContext for the arguments."""
    return tff.program.NativeFederatedContext(AsyncContext(invocations, ready))
