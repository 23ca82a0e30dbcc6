"""Errors of an agent that call for something else than another try."""

from __future__ import annotations

from fedjobs_common.errors import FedjobsError


class StartRefusedError(FedjobsError):
    """A worker may not be made here as it is: of a retry alone nothing better is to be expected."""
