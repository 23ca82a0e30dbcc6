"""What datasets, iterators and optionals require, and what their elements and values are.

TensorFlow compares few of these types. `tests/attacks/test_elements.py` has a lie about each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fedjobs_verifier.contents import Content, Kind, Type
from fedjobs_verifier.dtypes import NUMBERS, PLAIN, STRING, VARIANT
from fedjobs_verifier.refusals import Refusal
from fedjobs_verifier.uses import Use

_INT64, _BOOL = NUMBERS["int64"], NUMBERS["bool"]
_RANGES = PLAIN.keys() - {STRING, _BOOL}  # to which RangeDataset converts its numbers
_DECLARE = "Declare the types that the elements have."

# Their elements have the types of those of their input. Some put several elements together, or take them apart.
_PASSING = """
AssertCardinalityDataset BatchDataset BatchDatasetV2 IgnoreErrorsDataset PaddedBatchDataset PaddedBatchDatasetV2
ParallelBatchDataset PrefetchDataset RepeatDataset SamplingDataset ShardDataset ShuffleAndRepeatDataset
ShuffleAndRepeatDatasetV2 ShuffleDataset ShuffleDatasetV2 ShuffleDatasetV3 SkipDataset SlidingWindowDataset TakeDataset
UnbatchDataset UniqueDataset
"""


def _passing(use: Use) -> Sequence[Type]:
    return use.dataset(use.elements())


def _filtered(use: Use) -> Sequence[Type]:
    elements = use.elements()
    use.require([_BOOL], use.call("predicate", elements, use.inputs["other_arguments"]), "its predicate must return")
    return use.dataset(elements)


def _mapped(use: Use) -> Sequence[Type]:
    return use.dataset(use.call("f", use.elements(), use.inputs["other_arguments"]))


def _flattened(use: Use) -> Sequence[Type]:
    return use.dataset(use.returned_dataset("f", use.elements(), use.inputs["other_arguments"]))


def _concatenated(use: Use) -> Sequence[Type]:
    elements = use.elements()
    use.require(elements, use.elements("another_dataset"), "its first dataset has")
    return use.dataset(elements)


def _zipped(use: Use) -> Sequence[Type]:
    elements: list[Type] = []
    for type_ in use.inputs["input_datasets"]:
        elements += use.content(type_, Kind.DATASET, "input_datasets")
        if len(elements) > len(use.values["output_types"]):
            raise Refusal(f"output_types has {len(use.values['output_types'])} types, and its datasets more", _DECLARE)
    return use.dataset(elements)


def _directed(use: Use) -> Sequence[Type]:
    use.require([_INT64], use.elements("selector_input_dataset"), "its selector must have")
    first, *rest = [
        use.content(type_, Kind.DATASET, "data_input_datasets") for type_ in use.inputs["data_input_datasets"]
    ]
    for elements in rest:
        if elements is not first:
            use.require(first, elements, "its first dataset has")
    return use.dataset(first)


def _from_components(use: Use) -> Sequence[Type]:
    return use.dataset(use.inputs["components"])


def _of_numbers(use: Use) -> Sequence[Type]:
    declared = use.values["output_types"]
    if len(declared) != 1 or declared[0] not in _RANGES:
        raise Refusal("its elements are not one number each", _DECLARE)
    return use.dataset(declared)


def _random(use: Use) -> Sequence[Type]:
    return use.dataset([_INT64])


def _from_sparse(use: Use) -> Sequence[Type]:
    return [use.of(Kind.DATASET, [_INT64, *use.inputs["values"], _INT64])]


def _to_sparse(use: Use) -> Sequence[Type]:
    elements = use.elements()
    if len(elements) != 1 or elements[0] not in PLAIN:
        raise Refusal("its elements are not one tensor each", "Use elements of one tensor of numbers or strings.")
    return use.dataset([VARIANT])


def _windowed(use: Use) -> Sequence[Type]:
    return use.dataset([use.of(Kind.DATASET, [type_]) for type_ in use.elements()])


def _scanned(use: Use) -> Sequence[Type]:
    state = use.inputs["initial_state"]
    returned = use.call("f", state, use.elements(), use.inputs["other_arguments"])
    use.require(state, returned[: len(state)], "its state has")
    return use.dataset(returned[len(state) :])


def _reduced(use: Use) -> Sequence[Type]:
    state = use.inputs["initial_state"]
    use.require(state, use.call("f", state, use.elements(), use.inputs["other_arguments"]), "its state has")
    return use.declared(state)


def _grouped_by_reducer(use: Use) -> Sequence[Type]:
    elements, more = use.elements(), use.inputs
    use.require([_INT64], use.call("key_func", elements, more["key_func_other_arguments"]), "its key must be")
    state = use.call("init_func", [_INT64], more["init_func_other_arguments"])
    reduced = use.call("reduce_func", state, elements, more["reduce_func_other_arguments"])
    use.require(state, reduced, "its state has")
    return use.dataset(use.call("finalize_func", state, more["finalize_func_other_arguments"]))


def _grouped_by_window(use: Use) -> Sequence[Type]:
    elements, more = use.elements(), use.inputs
    use.require([_INT64], use.call("key_func", elements, more["key_func_other_arguments"]), "its key must be")
    size = use.call("window_size_func", [_INT64], more["window_size_func_other_arguments"])
    use.require([_INT64], size, "its window size must be")
    window = use.of(Kind.DATASET, elements)
    return use.dataset(use.returned_dataset("reduce_func", [_INT64, window], more["reduce_func_other_arguments"]))


def _counted(use: Use) -> Sequence[Type]:
    use.elements()
    return use.step.outputs


def _element(use: Use) -> Sequence[Type]:
    return use.declared(use.elements("dataset"))


def _iterator(use: Use) -> Sequence[Type]:
    types = use.values["output_types"]
    use.require_no_resource(types)
    return [use.of(Kind.ITERATOR, types), *use.step.outputs[1:]]


def _made(use: Use) -> Sequence[Type]:
    use.require(use.one("iterator", Kind.ITERATOR), use.elements("dataset"), "its iterator has")
    return ()


def _next(use: Use) -> Sequence[Type]:
    return use.declared(use.one("iterator", Kind.ITERATOR))


def _next_optional(use: Use) -> Sequence[Type]:
    return [use.of(Kind.OPTIONAL, use.declared(use.one("iterator", Kind.ITERATOR)))]


def _optional(use: Use) -> Sequence[Type]:
    use.require_no_resource(use.inputs["components"])
    return [use.of(Kind.OPTIONAL, use.inputs["components"])]


def _none(use: Use) -> Sequence[Type]:
    return [use.of(Kind.NO_VALUE)]


def _value(use: Use) -> Sequence[Type]:
    (type_,) = use.inputs["optional"]
    if isinstance(type_, Content) and type_.kind is Kind.NO_VALUE:
        return use.step.outputs
    return use.declared(use.one("optional", Kind.OPTIONAL))


DATASETS: Mapping[str, Callable[[Use], Sequence[Type]]] = {
    **dict.fromkeys(_PASSING.split(), _passing),
    "AnonymousIterator": _iterator,
    "AnonymousIteratorV2": _iterator,
    "AnonymousIteratorV3": _iterator,
    "ConcatenateDataset": _concatenated,
    "DatasetCardinality": _counted,
    "DatasetToSingleElement": _element,
    "DenseToSparseBatchDataset": _to_sparse,
    "DirectedInterleaveDataset": _directed,
    "FilterDataset": _filtered,
    "FlatMapDataset": _flattened,
    "GetElementAtIndex": _element,
    "GroupByReducerDataset": _grouped_by_reducer,
    "GroupByWindowDataset": _grouped_by_window,
    "InterleaveDataset": _flattened,
    "IteratorGetNext": _next,
    "IteratorGetNextAsOptional": _next_optional,
    "IteratorGetNextSync": _next,
    "MakeIterator": _made,
    "MapDataset": _mapped,
    "OptionalFromValue": _optional,
    "OptionalGetValue": _value,
    "OptionalNone": _none,
    "ParallelFilterDataset": _filtered,
    "ParallelInterleaveDatasetV4": _flattened,
    "ParallelMapDatasetV2": _mapped,
    "RandomDataset": _random,
    "RandomDatasetV2": _random,
    "RangeDataset": _of_numbers,
    "ReduceDataset": _reduced,
    "ScanDataset": _scanned,
    "SparseTensorSliceDataset": _from_sparse,
    "TakeWhileDataset": _filtered,
    "TensorDataset": _from_components,
    "TensorSliceDataset": _from_components,
    "WindowDataset": _windowed,
    "ZipDataset": _zipped,
}
"""The rules by operation."""
