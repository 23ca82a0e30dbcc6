"""fedjobs: cross-silo federated jobs.

`import fedjobs` is fast: each name is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedjobs.local import (
        local_execution_context,
        set_local_async_execution_context,
        set_local_execution_context,
    )
    from fedjobs.notebooks import run
    from fedjobs.results import RunResult
    from fedjobs.saved_plans import save_plan

__all__ = [
    "RunResult",
    "local_execution_context",
    "run",
    "save_plan",
    "set_local_async_execution_context",
    "set_local_execution_context",
]

_WHERE = {
    "run": "fedjobs.notebooks",
    "RunResult": "fedjobs.results",
    "save_plan": "fedjobs.saved_plans",
    "local_execution_context": "fedjobs.local",
    "set_local_execution_context": "fedjobs.local",
    "set_local_async_execution_context": "fedjobs.local",
}


def __getattr__(name: str) -> Any:
    if name == "local":
        return importlib.import_module("fedjobs.local")
    if name not in _WHERE:
        raise AttributeError(f"module 'fedjobs' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
