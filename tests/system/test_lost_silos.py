"""Silos that are lost during an invocation, and messages that are too large, on real silo processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff
from fedjobs.local import LocalFederation
from fedjobs_common.processes import registered
from fedjobs_coordinator.sessions.assignments import Assignment

from tests.compute import computations as c
from tests.compute import test_stages as staged

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("federation")]
LEAVES, ELEMENTS = 300, 62 * 1024 // 4  # each leaf is small enough for a message, and all of them are 18 MiB


def test_a_silo_that_is_killed_between_two_stages_is_in_both_parts_of_the_result_or_in_none(
    federation: LocalFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assign, stages, killed = federation.coordinator.assign, [], []

    def kill_first(assignments: Sequence[Assignment]) -> None:
        stages.append(assignments[0].work.stage)
        if assignments[0].work.kept_stages and not killed:
            running = registered(federation._directory / "processes")
            (worker,) = [p for p in running if (p.role, p.silo) == ("worker", "silo-001")]
            os.kill(worker.pid, signal.SIGKILL)
            killed.append(worker.pid)
        assign(assignments)

    monkeypatch.setattr(federation.coordinator, "assign", kill_first)
    values = np.arange(1, 8, dtype=np.int32)
    scaled = values * values.sum()
    assert staged.three_phases(list(values)) == (scaled + scaled.sum()).sum()
    assert killed
    once = stages[: len(stages) // 2]
    assert stages == once + once  # the whole computation has run twice


def test_work_with_many_small_values_arrives() -> None:
    vector = tff.TensorType(np.float32, (ELEMENTS,))
    many = tff.StructWithPythonType([vector] * LEAVES, list)

    @tff.tensorflow.computation(many, np.float32)
    def weighted(leaves: Any, factor: Any) -> Any:
        return tf.add_n([leaf[number] for number, leaf in enumerate(leaves)]) * factor

    @tff.federated_computation(tff.FederatedType(many, tff.SERVER), c.FLOAT_AT_CLIENTS)
    def total(leaves: Any, factors: Any) -> Any:
        return tff.federated_sum(tff.federated_map(weighted, (tff.federated_broadcast(leaves), factors)))

    leaves = [np.full(ELEMENTS, number, np.float32) for number in range(LEAVES)]
    assert total(leaves, [np.float32(1), np.float32(2), np.float32(4)]) == 7 * sum(range(LEAVES))
