"""Generated computations over integers equal NumPy, and TFF's own runtime, exactly.

A computation is a list of steps. Each step makes a value at the clients or at the server from earlier ones, so that
aggregations depend on each other in any way. NumPy computes the same steps over arrays with one number for each client.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import pytest
import tensorflow_federated as tff
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_federated.python.core.impl.context_stack import context_stack_impl

from tests.compute.interpreter import Interpreter
from tests.compute.test_stages import INT_AT_CLIENTS

I = np.int32  # noqa: E741 (a type)
AGGREGATIONS = {"sum": np.sum, "min": np.min, "max": np.max}


@dataclass(frozen=True)
class Step:
    """One step: `mix` at the clients, from two earlier values at either place, or an aggregation.

    Attributes:
        kind: "mix", or an aggregation.
        a: The first operand: the number of an earlier step, counted from the end. An aggregation takes clients' values.
        b: The second operand of a mix.
        factor: A constant.
    """

    kind: str
    a: int
    b: int
    factor: int


@tff.tensorflow.computation(I, I, I)
def mixed(a: Any, b: Any, factor: Any) -> Any:
    return a * factor + b


steps = st.lists(
    st.builds(
        Step, st.sampled_from(["mix", "sum", "min", "max"]), st.integers(0, 5), st.integers(0, 5), st.integers(-3, 3)
    ),
    min_size=1,
    max_size=8,
)
clients = st.lists(st.integers(-1000, 1000), min_size=1, max_size=4)


def in_tff(program: list[Step]) -> Any:
    @tff.federated_computation(INT_AT_CLIENTS)
    def computation(values: Any) -> Any:
        made: list[tuple[bool, Any]] = [(True, values)]  # whether it is at the clients
        for step in program:
            here, a = made[-1 - step.a % len(made)]
            other, b = made[-1 - step.b % len(made)]
            if step.kind == "mix" or not here:
                a, b = (a if here else tff.federated_broadcast(a)), (b if other else tff.federated_broadcast(b))
                factor = tff.federated_value(I(step.factor), tff.CLIENTS)
                made.append((True, tff.federated_map(mixed, (a, b, factor))))
            else:
                made.append((False, getattr(tff, f"federated_{step.kind}")(a)))
        return [tff.federated_sum(value) if here else value for here, value in made[1:]]

    return computation


def in_numpy(program: list[Step], values: list[int]) -> list[int]:
    made: list[tuple[bool, Any]] = [(True, np.array(values, I))]
    with np.errstate(over="ignore"):
        for step in program:
            here, a = made[-1 - step.a % len(made)]
            _, b = made[-1 - step.b % len(made)]
            if step.kind == "mix" or not here:
                made.append((True, (a * I(step.factor) + b) + np.zeros(len(values), I)))
            else:
                made.append((False, I(AGGREGATIONS[step.kind](a)) if step.kind != "sum" else np.sum(a, dtype=I)))
        return [int(np.sum(value, dtype=I)) if here else int(value) for here, value in made[1:]]


def longest_chain(program: list[Step]) -> int:
    """Returns the number of aggregations of which each depends on the one before."""
    made = [(True, 0)]
    for step in program:
        (here, a), (_, b) = made[-1 - step.a % len(made)], made[-1 - step.b % len(made)]
        made.append((True, max(a, b)) if step.kind == "mix" or not here else (False, a + 1))
    return max(depth + here for here, depth in made[1:])


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(program=steps, values=clients)
def test_a_generated_computation_equals_numpy_with_the_fewest_stages(program: list[Step], values: list[int]) -> None:
    interpreter = Interpreter(in_tff(program))
    assert list(interpreter([I(v) for v in values])) == in_numpy(program, values)
    assert len(interpreter.plan.stages) == longest_chain(program)


@contextlib.contextmanager
def stock_runtime() -> Iterator[None]:
    """Installs TFF's own runtime. Its worker would outlive this process, so it is ended here."""
    before = set(psutil.Process().children(recursive=True))
    context = tff.backends.native.create_sync_local_cpp_execution_context()
    try:
        with context_stack_impl.context_stack.install(context):
            yield
    finally:
        for child in set(psutil.Process().children(recursive=True)) - before:
            child.kill()
            child.wait(20)


PROGRAMS = [
    [Step("sum", 0, 0, 1)],
    [Step("mix", 0, 0, 2), Step("max", 0, 0, 1), Step("mix", 0, 1, 3), Step("min", 0, 0, 1)],
    [Step("sum", 0, 0, 1), Step("mix", 0, 1, -1), Step("sum", 0, 0, 1), Step("mix", 0, 1, 2), Step("max", 0, 0, 1)],
]


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # TFF ends its worker once more
def test_the_results_equal_those_of_tffs_own_runtime() -> None:
    values = [I(v) for v in (3, -5, 7, 1 << 20)]
    ours = [list(Interpreter(in_tff(program))(values)) for program in PROGRAMS]
    with stock_runtime():
        stock = [list(in_tff(program)(values)) for program in PROGRAMS]
    assert ours == stock == [in_numpy(program, [int(v) for v in values]) for program in PROGRAMS]
