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

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("federation")]
LEAVES, ELEMENTS = 300, 62 * 1024 // 4  # each leaf is small enough for a message, and all of them are 18 MiB


def test_a_silo_that_is_killed_between_two_stages_is_in_both_parts_of_the_result_or_in_none(
    federation: LocalFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assign, stages, killed = federation.coordinator.assign, [], []

    def kill_first(assignments: Sequence[Assignment]) -> None:
        stages.append(assignments[0].work.stage)
        if stages[-1] == 1 and not killed:
            (worker,) = [p for p in registered(federation._directory / "processes") if p.silo == "silo-001"]
            os.kill(worker.pid, signal.SIGKILL)
            killed.append(worker.pid)
        assign(assignments)

    monkeypatch.setattr(federation.coordinator, "assign", kill_first)
    values = np.array([1, 5, 2, 8, 13, 3, 1], np.float32)
    assert c.variance(list(values)) == pytest.approx(np.var(values), rel=1e-6)
    assert killed
    assert stages == [0, 1, 0, 1]


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
