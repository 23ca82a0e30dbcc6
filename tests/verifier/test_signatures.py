"""The written signatures are those of the installed TensorFlow, and the rules are about what there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fedjobs_verifier import ALLOWED_OPERATIONS, rules
from fedjobs_verifier.operations import known

SCRIPT = Path(__file__).resolve().parents[2] / "verifier" / "signatures.py"

_UNWRITTEN = {"BlockLSTM", "BlockLSTMV2", "Cholesky", "FakeParam", "IRFFT", "ParallelConcat", "ParallelDynamicStitch"}
_THREADS = {"PrivateThreadPoolDataset", "MaxIntraOpParallelismDataset", "OptionsDataset", "ModelDataset"}
_IN_PLACE = {"InplaceAdd", "InplaceSub", "InplaceUpdate"}


def test_the_signatures_are_those_of_tensorflow() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_each_allowed_operation_has_a_signature() -> None:
    assert known().keys() == ALLOWED_OPERATIONS


def test_operations_that_give_unwritten_memory_or_make_threads_are_not_allowed() -> None:
    assert not ALLOWED_OPERATIONS & (_UNWRITTEN | _THREADS | _IN_PLACE)


def test_the_rules_name_inputs_and_attributes_that_there_are() -> None:
    attributes = {name for operation in known().values() for name in operation.attributes}
    assert attributes >= {*rules.TEXTS, *rules.FREE_INTEGERS, "allowed_devices"} - {"serialized_options"}
    for table in (rules.PARALLEL_INPUTS, rules.BUFFER_INPUTS):
        for name, inputs in table.items():
            assert {a.name for a in known()[name].inputs} >= set(inputs)
    for name, inputs in rules.SOURCES.items():
        assert {a.name for a in known()[name].inputs} >= set(inputs)
    for name, attribute in (*rules.REQUIRED_VALUES, *rules.HIGHEST):
        assert attribute in known()[name].attributes
    assert known().keys() >= rules.NAMED_RESOURCES
    for name, (functions, given, wanted) in rules.CALLS.items():
        assert {*functions, given, wanted} <= known()[name].attributes.keys()
    for name, named in rules.CONDITIONS.items():
        assert set(named) <= known()[name].attributes.keys()


def test_each_operation_that_calls_a_function_is_a_branch_a_loop_a_call_or_a_dataset() -> None:
    calling = {o.name for o in known().values() if any("func" in kind.name for kind in o.attributes.values())}
    others = calling - rules.CALLS.keys()
    assert [name for name in sorted(others) if not name.endswith(("Dataset", "DatasetV2", "DatasetV4"))] == []
