"""How long a job may take, and how long it is kept when it is over."""

from __future__ import annotations

import datetime

from fedjobs_operator.api.federated_jobs import Spec
from fedjobs_operator.times import Time


def fails_at(spec: Spec, started: Time) -> Time | None:
    """When the job fails if it has not ended by then; the clock begins anew when a job is resumed, as a Job's does."""
    return _after(started, spec.active_deadline_seconds)


def is_deleted_at(seconds: int | None, completed: Time) -> Time | None:
    """When a job that is over is deleted. A job is complete only when its result's storage has confirmed it."""
    return _after(completed, seconds)


def _after(time: Time, seconds: int | None) -> Time | None:
    return None if seconds is None else time + datetime.timedelta(seconds=seconds)
