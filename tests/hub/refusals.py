"""Errors of refused calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError


def refusal(call: Callable[[], object]) -> FedjobsError:
    """Returns the FedjobsError that the call raises."""
    with pytest.raises(FedjobsError) as refused:
        call()
    return refused.value


def code(call: Callable[[], object]) -> ErrorCode:
    """Returns the code of the FedjobsError that the call raises."""
    return refusal(call).code
