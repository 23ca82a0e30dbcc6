"""The default allow-list against TensorFlow's own register of operations."""

from __future__ import annotations

import functools
import re

from fedjobs_verifier import ALLOWED_OPERATIONS

_REACHES_OUT = re.compile(
    r"File|Directory|Save|Restore|Record|TextLine|Checkpoint|Snapshot|Cache|LMDB|Sql|CSVDataset|LoadDataset|ImmutableConst"
    r"|Py|Generator(V\d)?Dataset|Rpc|Send|Recv|Service|Collective|Nccl|AllReduce|AllGather|RemoteCall|TPU|Xla|Infeed|Outfeed"
    r"|Print|Debug|Summary|Session|Host|DeviceIndex|Proto|Queue|Stage|Barrier|StringHandle|SerializeIterator|Stats"
    r"|^_|^Read(?!Variable)|^Write|Reader"
)
_NO_FILE = {"TensorSliceDataset": ["is_files"]}  # says what the strings mean to who divides the work; opens nothing
_FILE_ARGUMENT = re.compile(r"file|path|address|url|directory|shm", re.IGNORECASE)


@functools.cache
def registered() -> dict[str, list[str]]:
    """Names of arguments and attributes of every registered operation."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    listed = op_def_pb2.OpList.FromString(bytes(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())))
    return {op.name: [a.name for a in (*op.input_arg, *op.attr)] for op in listed.op}


def test_every_allowed_operation_exists() -> None:
    assert sorted(ALLOWED_OPERATIONS - registered().keys()) == []


def test_no_allowed_operation_is_named_like_one_that_reaches_out() -> None:
    assert [name for name in sorted(ALLOWED_OPERATIONS) if _REACHES_OUT.search(name)] == []


def test_no_allowed_operation_takes_a_file_or_an_address() -> None:
    taking = {
        name: arguments
        for name in ALLOWED_OPERATIONS
        if (arguments := [a for a in registered()[name] if _FILE_ARGUMENT.search(a)])
    }
    assert taking == _NO_FILE
