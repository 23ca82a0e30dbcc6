"""What variables, tables and other resources require.

The kernels of variables use the data type of the operation, and end the process if that of the variable is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fedjobs_verifier.contents import Kind, Type
from fedjobs_verifier.dtypes import NUMBERS, RESOURCE
from fedjobs_verifier.operations import known
from fedjobs_verifier.uses import Use

_INT64 = NUMBERS["int64"]

CHECKED_WHEN_RUN = frozenset(
    {
        "AnonymousRandomSeedGenerator", "AnonymousSeedGenerator", "DeleteIterator", "DeleteRandomSeedGenerator",
        "DeleteSeedGenerator", "DestroyResourceOp", "DisableCopyOnRead", "DummyIterationCounter",
        "DummySeedGenerator", "LookupTableSizeV2", "VarIsInitializedOp", "VariableShape",
    }
)  # fmt: skip
"""Operations whose resource has no data type. TensorFlow checks when they run that it is of their kind."""

# Random generators, whose state is a variable.
_GENERATORS = """
RngSkip StatefulStandardNormal StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform StatefulUniformFullInt
StatefulUniformInt
"""

# The attributes with the data types of the keys and the values of a table.
_TABLES = {
    "AnonymousHashTable": ("key_dtype", "value_dtype"),
    "AnonymousMutableDenseHashTable": ("key_dtype", "value_dtype"),
    "AnonymousMutableHashTable": ("key_dtype", "value_dtype"),
    "AnonymousMutableHashTableOfTensors": ("key_dtype", "value_dtype"),
    "HashTableV2": ("key_dtype", "value_dtype"),
    "InitializeTableV2": ("Tkey", "Tval"),
    "LookupTableExportV2": ("Tkeys", "Tvalues"),
    "LookupTableFindV2": ("Tin", "Tout"),
    "LookupTableImportV2": ("Tin", "Tout"),
    "LookupTableInsertV2": ("Tin", "Tout"),
    "LookupTableRemoveV2": ("Tin",),
    "MutableDenseHashTableV2": ("key_dtype", "value_dtype"),
    "MutableHashTableOfTensorsV2": ("key_dtype", "value_dtype"),
    "MutableHashTableV2": ("key_dtype", "value_dtype"),
}


def _handle(use: Use) -> Sequence[Type]:
    type_ = use.of(Kind.VARIABLE, [use.values["dtype"]])
    use.functions.variable(use.values["shared_name"], type_)
    return [type_]


def _variable(use: Use) -> Sequence[Type]:
    dtype = use.values["dtype" if "dtype" in use.values else "T"]
    for argument in use.step.operation.inputs if use.step.operation else ():
        if argument.dtype == RESOURCE:
            use.require(use.one(argument.name, Kind.VARIABLE), [dtype], "its variable has")
    return use.step.outputs


def _generator(use: Use) -> Sequence[Type]:
    use.require(use.one("resource", Kind.VARIABLE), [_INT64], "its variable has")
    return use.step.outputs


def _table(use: Use) -> Sequence[Type]:
    types = [use.values[attribute] for attribute in _TABLES[use.step.op]]
    if RESOURCE in use.step.outputs:
        return [use.of(Kind.TABLE, types)]
    use.require(use.one("table_handle", Kind.TABLE)[: len(types)], types, "its table has")
    return use.step.outputs


def _variables() -> list[str]:
    """Returns the operations that read or write a variable with their own data type."""
    prefixes = ("Assign", "ReadVariable", "Resource")
    return [
        name
        for name, operation in known().items()
        if name.startswith(prefixes) and any(argument.dtype == RESOURCE for argument in operation.inputs)
    ]


RESOURCES: Mapping[str, Callable[[Use], Sequence[Type]]] = {
    **dict.fromkeys(_variables(), _variable),
    **dict.fromkeys(_GENERATORS.split(), _generator),
    **dict.fromkeys(_TABLES, _table),
    "VarHandleOp": _handle,
}
"""The rules by operation."""
