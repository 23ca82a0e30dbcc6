from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_coordinator.programs import evaluation
from fedjobs_coordinator.programs.program_context import ProgramContext


class _ContextWithoutClients:
    async def run_per_silo(self, *_: Any) -> dict[str, Any]:
        return {}


def test_an_evaluation_without_clients_is_an_error_with_a_remedy() -> None:
    computations = evaluation.Evaluation(evaluate=None, finalize=None)
    context = cast(ProgramContext, _ContextWithoutClients())
    with pytest.raises(FedjobsError, match="No silo has a client") as raised:
        asyncio.run(evaluation.evaluate(context, computations, None, None))
    assert raised.value.code is ErrorCode.PROGRAM_FAILED
