"""Errors of an agent that it does not simply retry."""

from __future__ import annotations

from fedjobs_common.errors import FedjobsError


class StartRefusedError(FedjobsError):
    """The cluster rejects a worker. An immediate retry would fail too."""
