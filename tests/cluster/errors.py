"""The error of test clusters."""

from __future__ import annotations


class ClusterError(Exception):
    """The message says what is missing or failed, and what to do about it."""
