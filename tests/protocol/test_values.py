from __future__ import annotations

import json
import mmap
import os

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.transfers.values import SequenceValue, frame, layout, unframe
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

PLAIN_DTYPES = [
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
]
ALL_DTYPES = [*PLAIN_DTYPES, "bfloat16", "complex64", "complex128"]


def strings(*items: bytes) -> np.ndarray:
    return np.array(items, dtype=object)


def same(one, other) -> bool:
    if isinstance(one, SequenceValue):
        if one.components is not None:
            return other.components is not None and all(map(same, one.components, other.components))
        return (
            other.elements is not None
            and len(one) == len(other)
            and all(
                same(a, b)
                for mine, yours in zip(one.elements, other.elements, strict=True)
                for a, b in zip(mine, yours, strict=True)
            )
        )
    return one.dtype == other.dtype and one.shape == other.shape and one.tolist() == other.tolist()


def round_trip(*leaves):
    return unframe(frame(leaves).tobytes())


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3), (0,)], ids=str)
@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_a_tensor_survives_a_round_trip(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    assert same(array, round_trip(array)[0])


@pytest.mark.parametrize("shape", [(), (4,), (2, 2)], ids=str)
def test_strings_survive_a_round_trip(shape):
    array = strings(b"", b"a\x00", b"\xff\xfe", "ü".encode())[: int(np.prod(shape))].reshape(shape)
    assert same(array, round_trip(array)[0])


def test_an_empty_array_of_strings_survives_a_round_trip():
    assert same(np.empty((0, 2), object), round_trip(np.empty((0, 2), object))[0])


@pytest.mark.parametrize(
    "sequence",
    [
        SequenceValue(components=(np.ones((4, 3), np.float32), np.arange(4, dtype=np.int32))),
        SequenceValue(components=(np.zeros((0, 3), np.float32),)),
        SequenceValue(components=(strings(b"a", b""), np.array([1j, 2], np.complex64))),
        SequenceValue(elements=((np.ones(2, np.float32), np.array(1)), (np.ones(3, np.float32), np.array(2)))),
        SequenceValue(elements=((strings(b"a"),), (strings(b"b", b"c"),))),
        SequenceValue(elements=()),
    ],
)
def test_a_sequence_survives_a_round_trip(sequence):
    before, came, after = round_trip(np.array(1), sequence, np.array(2))
    assert same(sequence, came)
    assert (before, after) == (1, 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(npst.arrays(st.sampled_from(PLAIN_DTYPES), npst.array_shapes(min_dims=0, min_side=0)), max_size=4))
@example([])
def test_any_value_survives_a_round_trip(arrays):
    came = round_trip(*arrays)
    assert [array.tobytes() for array in came] == [array.tobytes() for array in arrays]
    assert [array.dtype for array in came] == [array.dtype for array in arrays]
    assert [array.shape for array in came] == [array.shape for array in arrays]


def test_an_array_in_another_memory_order_survives_a_round_trip():
    array = np.arange(12, dtype=np.int32).reshape(3, 4)
    for other in (array.T, array[:, ::2], array.astype(">i4")):
        assert round_trip(other)[0].tolist() == other.tolist()


@pytest.mark.parametrize("dtype", PLAIN_DTYPES)
def test_the_safetensors_library_reads_plain_tensors_under_their_numbers(dtype):
    arrays = [np.arange(6).reshape(2, 3).astype(dtype), np.ones((), dtype), np.zeros((0, 2), dtype)]
    loaded = safetensors.numpy.load(frame(arrays).tobytes())
    assert set(loaded) == {"0", "1", "2"}
    assert all(same(array, loaded[str(number)]) for number, array in enumerate(arrays))


def test_the_safetensors_library_reads_every_convention():
    value = [strings(b"ab", b"c"), np.array([1j]), SequenceValue(components=(np.ones((2, 2)),))]
    loaded = safetensors.numpy.load(frame(value).tobytes())
    assert set(loaded) == {"0/lengths", "0/bytes", "1", "2/*/0"}
    assert loaded["0/bytes"].tobytes() == b"abc"


def test_data_start_at_a_multiple_of_64():
    for count in range(40):
        assert len(frame([np.ones(1)] * count).header) % 64 == 0


def test_a_frame_refers_to_its_arrays_and_copies_none():
    array = np.zeros(4, np.float32)
    framed = frame([array])
    array[:] = 1
    assert framed.size == len(framed.tobytes())
    assert unframe(framed.tobytes())[0].tolist() == [1] * 4


def test_read_values_refer_to_the_buffer_and_are_read_only(tmp_path):
    path = tmp_path / "value"
    path.write_bytes(frame([np.zeros(4, np.float32)]).tobytes())
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        array = unframe(mapped)[0]
    assert not array.flags.writeable
    assert not array.flags.owndata
    with pytest.raises(BufferError):
        mapped.close()
    assert array.tolist() == [0] * 4


def test_the_same_value_has_the_same_bytes():
    value = [np.ones(3), strings(b"x"), SequenceValue(components=(np.ones((2, 2)),))]
    assert frame(value).tobytes() == frame(value).tobytes()


def test_a_layout_has_the_position_of_each_tensor(tmp_path):
    arrays = [
        np.arange(5, dtype=np.float32),
        np.arange(6, dtype=np.int64).reshape(2, 3),
        np.array(1, ml_dtypes.bfloat16),
    ]
    content = frame(arrays).tobytes()
    path = tmp_path / "value"
    path.write_bytes(content)
    with path.open("rb") as file:
        found = layout(file.fileno())
    assert found == layout(frame(arrays).header) == layout(content)
    for array, tensor in zip(arrays, found, strict=True):
        assert (tensor.dtype, tensor.shape) == (array.dtype, array.shape)
        assert content[tensor.offset : tensor.offset + tensor.nbytes] == array.tobytes()


def test_a_layout_refuses_a_file_of_the_wrong_length():
    fd = os.memfd_create("value")
    os.write(fd, frame([np.ones(3)]).tobytes()[:-1])
    with pytest.raises(FedjobsError, match="expected 88") as raised:
        layout(fd)
    os.close(fd)
    assert raised.value.code is ErrorCode.BLOB_CORRUPT


@pytest.mark.parametrize("array", [np.array(["2020"], "datetime64[Y]"), np.array([1], np.longdouble), np.array([{}])])
def test_a_dtype_that_cannot_be_sent_is_named(array):
    with pytest.raises(FedjobsError, match="cannot be sent") as raised:
        frame([array])
    assert raised.value.code is ErrorCode.UNSUPPORTED_COMPUTATION


def made(header, data=b"\0" * 16, size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def tensor(dtype="F32", shape=(4,), offsets=(0, 16)):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def conventions(text):
    return {"__metadata__": {"fedjobs": text}, "0": tensor()}


GOOD = made({"0": tensor()})
MALFORMED = {
    "empty": b"",
    "half a size": GOOD[:4],
    "size only": GOOD[:8],
    "half a header": GOOD[:20],
    "without its last byte": GOOD[:-1],
    "with a byte more": GOOD + b"\0",
    "a header beyond the end": made({"0": tensor()}, size=1 << 20),
    "a header of a terabyte": made({"0": tensor()}, size=1 << 40),
    "not JSON": made(b"{{"),
    "not UTF-8": made(b'{"\xff":1}'),
    "UTF-16": made('{"0":{}}'.encode("utf-16")),
    "deep": made(b"[" * 100_000),
    "a list": made([]),
    "a name twice": made(b'{"0":%(t)s,"0":%(t)s}' % {b"t": json.dumps(tensor()).encode()}),
    "overlap": made({"0": tensor(), "1": tensor(offsets=(8, 24))}, b"\0" * 24),
    "the same data twice": made({"0": tensor(), "1": tensor()}),
    "a gap": made({"0": tensor(offsets=(16, 32))}, b"\0" * 32),
    "not in order": made({"0": tensor(offsets=(16, 32)), "1": tensor()}, b"\0" * 32),
    "backwards": made({"0": tensor(shape=(0,), offsets=(16, 0))}),
    "a shape that does not fit": made({"0": tensor(shape=(5,))}),
    "a negative dimension": made({"0": tensor(shape=(-2, -2))}),
    "a fraction": made({"0": tensor(shape=(4.0,))}),
    "a truth value as dimension": made({"0": tensor(shape=(4, True))}),
    "a huge dimension": made({"0": tensor(shape=(1 << 62, 0), offsets=(0, 0))}, b""),
    "more than numpy's dimensions": made({"0": tensor(shape=(1,) * 40 + (4,))}),
    "a number of 5000 digits": made(b'{"0":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,16]}}'),
    "an unknown dtype": made({"0": tensor(dtype="Q4")}),
    "a dtype that is a list": made({"0": tensor(dtype=[])}),
    "no shape": made({"0": {"dtype": "F32", "data_offsets": (0, 16)}}),
    "no tensor": made({"0": None}),
    "three offsets": made({"0": tensor(offsets=(0, 8, 16))}),
    "another name": made({"weights": tensor()}),
    "metadata of numbers": made({"__metadata__": {"a": 1}, "0": tensor()}),
    "metadata not an object": made({"__metadata__": "x", "0": tensor()}),
    "conventions not JSON": made(conventions("{")),
    "conventions not an object": made(conventions("[]")),
    "an unknown convention": made(conventions('{"0": "pickle"}')),
    "a convention for nothing": made(conventions('{"7": "string"}')),
    "strings without lengths": made(conventions('{"0": "string"}')),
    "complex of three": made({"__metadata__": {"fedjobs": '{"0":"complex"}'}, "0": tensor(shape=(1, 4))}),
    "a sequence of nothing": made(conventions('{"0": {"stacked": 0}}')),
    "a billion empty elements": made(
        {"__metadata__": {"fedjobs": '{"0":{"elements":1000000000,"components":0}}'}}, b""
    ),
    "components of other lengths": made(
        {
            "__metadata__": {"fedjobs": '{"0":{"stacked":2}}'},
            "0/*/0": tensor(shape=(2,), offsets=(0, 8)),
            "0/*/1": tensor(shape=(2, 1), offsets=(8, 16)) | {"shape": (1, 2)},
        }
    ),
    "a stacked scalar": made(
        {"__metadata__": {"fedjobs": '{"0":{"stacked":1}}'}, "0/*/0": tensor("F32", (), (0, 4))}, b"\0" * 4
    ),
    "a truth value of 2": made({"0": tensor("BOOL", (1,), (0, 1))}, b"\2"),
    "negative lengths": made(
        {
            "__metadata__": {"fedjobs": '{"0":"string"}'},
            "0/lengths": tensor("I64", (2,), (0, 16)),
            "0/bytes": tensor("U8", (0,), (16, 16)),
        },
        (1).to_bytes(8, "little") + (-1).to_bytes(8, "little", signed=True),
    ),
}


def test_the_well_formed_value_is_read():
    assert unframe(GOOD)[0].tolist() == [0] * 4


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_value_is_refused(content):
    with pytest.raises(FedjobsError) as raised:
        unframe(content)
    assert raised.value.code is ErrorCode.BLOB_CORRUPT


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_are_read_or_refused(data):
    content = bytearray(
        frame([np.ones(2, bool), strings(b"ab"), SequenceValue(components=(np.ones((2, 1)),))]).tobytes()
    )
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        unframe(bytes(content))
    except FedjobsError as error:
        assert error.code is ErrorCode.BLOB_CORRUPT  # noqa: PT017 - most are refused, some are read


def test_a_sequence_has_consistent_contents():
    with pytest.raises(ValueError, match="exactly one"):
        SequenceValue()
    with pytest.raises(ValueError, match="same first dimension"):
        SequenceValue(components=(np.ones(2), np.ones(3)))
    with pytest.raises(ValueError, match="same number"):
        SequenceValue(elements=((np.ones(2),), ()))
