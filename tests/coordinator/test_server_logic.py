from __future__ import annotations

import numpy as np
import tensorflow as tf
from fedjobs_compute.plans import CoordinatorProgram
from fedjobs_coordinator.invocations.server_logic import ServerLogic
from fedjobs_protocol.v1.shard_pb2 import Leaf, Program, Segment, Tensor

_INTEGER = Leaf(tensor=Tensor(dtype="int64"))


def _counting_from(start: int) -> CoordinatorProgram:
    """Counts in a variable. It starts at `start` if no variable of this name exists."""
    with tf.Graph().as_default() as graph:
        counter = tf.raw_ops.VarHandleOp(dtype=tf.int64, shape=[], shared_name="counter")
        is_new = tf.logical_not(tf.raw_ops.VarIsInitializedOp(resource=counter))
        value = tf.cond(
            is_new,
            lambda: tf.constant(start, tf.int64),
            lambda: tf.raw_ops.ReadVariableOp(resource=counter, dtype=tf.int64),
        )
        with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=counter, value=value + 1)]):
            counted = tf.identity(value, name="counted")
    segment = Segment(
        graph_def=graph.as_graph_def().SerializeToString(), fetches=[counted.name], output_types=[_INTEGER]
    )
    return CoordinatorProgram(Program(segments=[segment], outputs=[0]), (), ("counted",))


def test_programs_with_the_same_label_share_no_variables() -> None:
    """Computations that differ only after the merge have the same shard, whose digest is the label."""
    programs = [ServerLogic(_counting_from(start), "digest/report") for start in (10, 20)]
    assert [program.results({}) for program in programs] == [[np.int64(10)], [np.int64(20)]]
