"""TensorFlow's data types: their numbers in a graph, their names in a shard, and what their constants consist of."""

from __future__ import annotations

from dataclasses import dataclass

STRING, BOOL, RESOURCE, VARIANT = 7, 10, 20, 21


@dataclass(frozen=True)
class Plain:
    """A type of which there are constants.

    Attributes:
        size: The bytes of an element. A string is counted with the bytes of TensorFlow's object for it.
        values: The field of a Tensor that lists its elements.
        bounds: The lowest and the highest value in the list. None if each value of the field's type is one.
        parts: How many entries of the list make up an element.
        letter: The format of a part for the module `struct`, or empty.
    """

    size: int
    values: str
    bounds: tuple[int, int] | None = None
    parts: int = 1
    letter: str = ""


NAMES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64", 9: "int64",
    10: "bool", 11: "qint8", 12: "quint8", 13: "qint32", 14: "bfloat16", 15: "qint16", 16: "quint16", 17: "uint16",
    18: "complex128", 19: "float16", 20: "resource", 21: "variant", 22: "uint32", 23: "uint64",
}  # fmt: skip
NUMBERS = {name: number for number, name in NAMES.items()}

PLAIN = {
    NUMBERS[name]: plain
    for name, plain in {
        "float32": Plain(4, "float_val", letter="f"),
        "float64": Plain(8, "double_val", letter="d"),
        "int32": Plain(4, "int_val", letter="i"),
        "uint8": Plain(1, "int_val", (0, 2**8 - 1), letter="B"),
        "int16": Plain(2, "int_val", (-(2**15), 2**15 - 1), letter="h"),
        "int8": Plain(1, "int_val", (-(2**7), 2**7 - 1), letter="b"),
        "string": Plain(24, "string_val"),
        "complex64": Plain(8, "scomplex_val", parts=2, letter="f"),
        "int64": Plain(8, "int64_val", letter="q"),
        "bool": Plain(1, "bool_val", letter="?"),
        "bfloat16": Plain(2, "half_val", (0, 2**16 - 1), letter="H"),
        "uint16": Plain(2, "int_val", (0, 2**16 - 1), letter="H"),
        "complex128": Plain(16, "dcomplex_val", parts=2, letter="d"),
        "float16": Plain(2, "half_val", (0, 2**16 - 1), letter="H"),
        "uint32": Plain(4, "uint32_val", letter="I"),
        "uint64": Plain(8, "uint64_val", letter="Q"),
    }.items()
}
