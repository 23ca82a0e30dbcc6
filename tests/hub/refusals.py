"""What was refused, by its code."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError


def refusal(call: Callable[[], object]) -> FedjobsError:
    """The error that the call ends with."""
    with pytest.raises(FedjobsError) as refused:
        call()
    return refused.value


def code(call: Callable[[], object]) -> ErrorCode:
    """The code of the error that the call ends with."""
    return refusal(call).code
