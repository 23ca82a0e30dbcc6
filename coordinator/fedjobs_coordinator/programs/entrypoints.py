"""Loads and calls entry points, `module:function`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs.problems import closest


def load(entrypoint: str, field: str) -> Callable[..., Any]:
    """Returns the function of an entry point.

    Args:
        entrypoint: `module:function`. The module must be importable at the coordinator.
        field: The path of the field in the manifest, for messages.

    Raises:
        FedjobsError: INVALID_PROGRAM_PARAMETER if the module or function does not exist, or the import fails.
    """
    module_name, _, function_name = entrypoint.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if missing == module_name or module_name.startswith(missing + "."):
            reason, remedy = (
                f"there is no module {missing!r}",
                "Install it at the coordinator, or add it to spec.program.source.",
            )
        else:
            reason, remedy = f"{module_name} needs the module {missing!r}", f"Install {missing} at the coordinator."
        raise _invalid(field, entrypoint, reason, remedy) from error
    except Exception as error:
        reason = f"importing {module_name} failed with {type(error).__name__}: {error}"
        raise _invalid(field, entrypoint, reason, "Correct the module. `--debug` shows the stack trace.") from error
    function = getattr(module, function_name, None)
    if function is None:
        known = [name for name, member in vars(module).items() if callable(member) and not name.startswith("_")]
        raise _invalid(field, entrypoint, f"{module_name} has no {function_name!r}", closest(function_name, known))
    if not callable(function):
        raise _invalid(field, entrypoint, f"{function_name} is not a function", "Set it to a function.")
    return function  # type: ignore[no-any-return]


def call(entrypoint: str, field: str, **offered: object) -> Any:
    """Calls an entry point with the offered arguments for which it has parameters.

    Raises:
        FedjobsError: INVALID_PROGRAM_PARAMETER, also if the function fails.
    """
    function = load(entrypoint, field)
    try:
        parameters = inspect.signature(function).parameters
        return function(**{name: value for name, value in offered.items() if name in parameters})
    except Exception as error:
        reason = f"it failed with {type(error).__name__}: {error}"
        raise _invalid(field, entrypoint, reason, "Correct the function. `--debug` shows the stack trace.") from error


def _invalid(field: str, entrypoint: str, reason: str, remedy: str) -> FedjobsError:
    what = f"{field} is {entrypoint!r}: {reason.rstrip('.')}."
    return FedjobsError(ErrorCode.INVALID_PROGRAM_PARAMETER, what, remedy)
