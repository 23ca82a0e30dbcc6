"""What a person is told when a test cluster cannot be had."""

from __future__ import annotations


class ClusterError(Exception):
    """Says what is missing or went wrong, and what to do about it."""
