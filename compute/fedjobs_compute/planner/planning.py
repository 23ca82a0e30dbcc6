"""Plans a TFF computation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow_federated as tff
from fedjobs_common.digests import digest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_protocol.versions import SHARD_FORMATS
from fedjobs_verifier import verify_for_some_silo
from tensorflow_federated.python.common_libs import structure
from tensorflow_federated.python.core.impl.compiler import building_blocks as bb
from tensorflow_federated.python.core.impl.types import type_analysis

from fedjobs_compute.canonical import canonical_shard, is_stateful
from fedjobs_compute.planner.call_dominant import normal_form, unbound_references
from fedjobs_compute.planner.leaves import count_leaves, leaves_of
from fedjobs_compute.planner.merge_kinds import merge_kinds
from fedjobs_compute.planner.programs import LeafKey, NamedProgram, build_program, reference_keys, unplaced_member
from fedjobs_compute.planner.stage_cuts import AGGREGATE, Cut, Local, cut
from fedjobs_compute.planner.unplaced import unplaced, unplaced_type
from fedjobs_compute.plans import ClientInput, CoordinatorProgram, Parameter, Plan, Stage

_ZERO, _WORK, _ACCUMULATE, _MERGE, _REPORT = 1, 0, 2, 3, 4  # positions in federated_aggregate's argument


def plan(computation: tff.Computation) -> Plan[tff.Type]:
    """Plans a computation.

    Raises:
        FedjobsError: UNSUPPORTED_COMPUTATION. The message names what cannot be planned, and why.
    """
    pieces = cut(normal_form(computation))
    constants = _constants(pieces)
    stages = tuple(_Stage(pieces, k, constants).build() for k in range(pieces.stages))
    result = _result_keys(pieces, pieces.form.result)
    needed = {_name(key) for key in result}
    for stage in stages:
        needed.update(stage.broadcasts, stage.merge.inputs, stage.report.inputs, stage.zero.inputs)
    return Plan(
        parameters=tuple(_parameters(computation.type_signature.parameter, pieces)),
        server_logic=tuple(_server_logic(pieces, level, needed) for level in range(pieces.stages + 1)),
        stages=stages,
        result=tuple(_name(key) for key in result),
        result_type=computation.type_signature.result,
    )


def _check_that_silos_run(shard: bytes) -> None:
    """Checks a shard as silos do, except for the operations, which a silo's file can allow."""
    try:
        verify_for_some_silo(shard)
    except FedjobsError as error:
        raise FedjobsError(
            ErrorCode.UNSUPPORTED_COMPUTATION,
            f"no silo would run the computation: {error.message}",
            "Change what the message names in the computation.",
        ) from error


def _name(key: LeafKey) -> str:
    return f"{key.name}/{key.index}"


def _parameters(type_: tff.Type | None, pieces: Cut) -> Iterable[Parameter[tff.Type]]:
    paths = [] if type_ is None else list(_paths(type_, ()))
    for (name, part), path in zip(pieces.form.parameters, paths, strict=True):
        at_clients = name in pieces.client_names
        count = 0 if at_clients else count_leaves(unplaced_member(part))
        yield Parameter(part, at_clients, tuple(f"{name}/{i}" for i in range(count)), path)


def _paths(type_: tff.Type, path: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
    if isinstance(type_, tff.StructType) and type_analysis.contains_federated_types(type_):
        for i, (_, element) in enumerate(structure.iter_elements(type_)):
            yield from _paths(element, (*path, i))
    else:
        yield path


def _constants(pieces: Cut) -> frozenset[str]:
    """Returns the unplaced, deterministic calls without inputs. A shard can contain them as graphs."""
    found: set[str] = set()
    for name, local in pieces.locals.items():
        if local.at_clients or local.intrinsic or not found.issuperset(local.uses):
            continue
        if not any(is_stateful(op) for op in build_program([], _block(pieces, [name], [name], found)).operations()):
            found.add(name)
    return frozenset(found)


def _block(
    pieces: Cut, names: Sequence[str], results: Sequence[str], also: Iterable[str] = ()
) -> bb.ComputationBuildingBlock:
    """Returns a block with the calls of these names and constants, without placements, and a struct of the results."""
    wanted = [n for n in pieces.locals if n in set(names) | set(also)]
    references = bb.Struct([bb.Reference(n, pieces.types[n]) for n in results])
    return unplaced(bb.Block([(n, pieces.locals[n].call) for n in wanted], references))


def _typed(pieces: Cut, names: Iterable[str]) -> list[tuple[str, tff.Type]]:
    return [(n, unplaced_type(pieces.types[n])) for n in names]


def _result_keys(pieces: Cut, block: bb.ComputationBuildingBlock) -> list[LeafKey]:
    """Returns the coordinator's leaves to which a block of references, selections and structs refers."""
    if isinstance(block, bb.Struct):
        return [key for element in block for key in _result_keys(pieces, element)]
    if isinstance(block, bb.Reference) and block.name in pieces.sent_down:
        inner = pieces.sent_down[block.name]
        if not (isinstance(inner, bb.Reference) and inner.name == block.name):
            return _result_keys(pieces, inner)
    return reference_keys(block)


def _server_logic(pieces: Cut, level: int, needed: set[str]) -> CoordinatorProgram:
    """Returns the coordinator's program between two stages. It computes only values that are used later."""
    here = [x for x in pieces.locals.values() if _runs_at_coordinator(x) and x.level == level]
    later = {u for x in pieces.locals.values() if _runs_at_coordinator(x) and x.level > level for u in x.uses}
    needed_names = later | {n.rpartition("/")[0] for n in needed}
    outputs = [x.name for x in here if x.name in needed_names]
    names = [n for n in pieces.closure(outputs, at_clients=False) if n in {x.name for x in here}]
    inputs = dict.fromkeys(u for n in names for u in pieces.locals[n].uses if u not in names)
    program = build_program(_typed(pieces, inputs), _block(pieces, names, outputs))
    makes = [LeafKey(n, i) for n in outputs for i in range(_count(pieces, n))]
    return _at_coordinator(pieces, program, makes)


def _runs_at_coordinator(local: Local) -> bool:
    return not local.at_clients and local.intrinsic != AGGREGATE


def _at_coordinator(pieces: Cut, program: NamedProgram, makes: Sequence[LeafKey]) -> CoordinatorProgram:
    used = program.used()
    return CoordinatorProgram(
        program=program.numbered(used),
        inputs=tuple(_name(_coordinator_key(pieces, key)) for key in used),
        outputs=tuple(_name(key) for key in makes),
    )


def _coordinator_key(pieces: Cut, key: LeafKey) -> LeafKey:
    """Returns the coordinator's leaf for a broadcast leaf."""
    if key.name not in pieces.sent_down:
        return key
    return _result_keys(pieces, pieces.at_coordinator(key.name))[key.index]


class _Stage:
    """Builds one stage."""

    def __init__(self, pieces: Cut, number: int, constants: frozenset[str]) -> None:
        self.pieces = pieces
        self.number = number
        self.constants = constants
        self.aggregations = pieces.aggregations(number)
        self.arguments = [x.call.argument for x in self.aggregations]

    def build(self) -> Stage:
        work = self._work()
        types = [a[_ACCUMULATE].type_signature.parameter[0] for a in self.arguments]
        left, right = self._operands("left", types), self._operands("right", types)
        values = self._operands("value", [a[_ACCUMULATE].type_signature.parameter[1] for a in self.arguments])
        accumulate = self._of_functions(_ACCUMULATE, [left, values])
        merge = self._of_functions(_MERGE, [left, right])
        report = self._of_functions(_REPORT, [left])
        zero = self._zero()
        left_keys, right_keys, value_keys = _keys(left), _keys(right), _keys(values)
        own = {*left_keys, *right_keys, *value_keys}
        in_silo = [key for p in (zero, work, accumulate) for key in p.used() if key not in own]
        clients = self._client_keys(in_silo)
        down = [k for k in dict.fromkeys(in_silo) if k not in clients]
        accumulators = _named(zero.output_types, accumulate.output_types)
        message = shard_pb2.Shard(
            format=SHARD_FORMATS[-1],
            broadcasts=[self._leaf(key) for key in down],
            client_inputs=[self._leaf(key) for key in clients],
            accumulators=accumulators,
            zero=zero.numbered(down),
            work=work.numbered([*down, *clients]),
            accumulate=accumulate.numbered([*down, *left_keys, *value_keys]),
        )
        shard = canonical_shard(message).SerializeToString(deterministic=True)
        _check_that_silos_run(shard)
        kinds = merge_kinds(merge, left_keys, right_keys)
        results = [LeafKey(x.name, i) for x in self.aggregations for i in range(_count(self.pieces, x.name))]
        return Stage(
            shard=shard,
            digest=digest(shard),
            broadcasts=tuple(_name(_coordinator_key(self.pieces, key)) for key in down),
            client_inputs=tuple(self._client_input(key) for key in clients),
            accumulators=tuple(accumulators),
            left=tuple(_name(key) for key in left_keys),
            right=tuple(_name(key) for key in right_keys),
            merge_kinds=tuple(kind if _is_fixed(a) else None for kind, a in zip(kinds, accumulators, strict=True)),
            merge=_at_coordinator(self.pieces, merge, ()),
            report=_at_coordinator(self.pieces, report, results),
            zero=_at_coordinator(self.pieces, zero, ()),
        )

    def _work(self) -> NamedProgram:
        """Returns the program that computes the values to aggregate from the broadcasts and one client's values."""
        values = [a[_WORK] for a in self.arguments]
        names = self.pieces.closure((r for v in values for r in unbound_references(v)), at_clients=True)
        blocks = [*values, *(self.pieces.locals[n].call for n in names)]
        return self._program(names, bb.Struct(values), blocks, [])

    def _zero(self) -> NamedProgram:
        zeros = [a[_ZERO] for a in self.arguments]
        return self._program([], bb.Struct(zeros), zeros, [])

    def _of_functions(self, position: int, operands: Sequence[Sequence[tuple[str, tff.Type]]]) -> NamedProgram:
        """Returns a program that applies the function at a position of each aggregation to its operands."""
        functions = [a[position] for a in self.arguments]
        calls = []
        for i, function in enumerate(functions):
            references = [bb.Reference(*operand[i]) for operand in operands]
            parameter = function.type_signature.parameter
            if len(references) == 1:
                argument: bb.ComputationBuildingBlock = references[0]
            else:
                argument = bb.Struct(
                    list(zip((n for n, _ in structure.iter_elements(parameter)), references, strict=True))
                )
            calls.append(bb.Call(function, argument))
        return self._program([], bb.Struct(calls), functions, [pair for operand in operands for pair in operand])

    def _program(
        self,
        names: Sequence[str],
        result: bb.Struct,
        blocks: Sequence[bb.ComputationBuildingBlock],
        operands: Sequence[tuple[str, tff.Type]],
    ) -> NamedProgram:
        outside = [r for block in blocks for r in unbound_references(block) if r not in names]
        resolved = {r: self._source(r) for r in dict.fromkeys(outside)}
        constants = self.pieces.closure((s for s in resolved.values() if s in self.constants), at_clients=False)
        wanted = [n for n in self.pieces.locals if n in set(names) | set(constants)]
        calls = [(n, self.pieces.locals[n].call) for n in wanted]
        aliases = [(r, self.pieces.at_coordinator(r)) for r, s in resolved.items() if s in self.constants and s != r]
        inputs = _typed(self.pieces, (r for r, s in resolved.items() if s not in self.constants))
        first = [c for c in calls if c[0] in constants]
        rest = [c for c in calls if c[0] not in constants]
        return build_program([*inputs, *operands], unplaced(bb.Block([*first, *aliases, *rest], result)))

    def _source(self, name: str) -> str:
        """Returns the name of the value that was broadcast under a name. Returns other names unchanged."""
        block = self.pieces.sent_down.get(name)
        return block.name if isinstance(block, bb.Reference) else name

    def _operands(self, prefix: str, types: Sequence[tff.Type]) -> list[tuple[str, tff.Type]]:
        return [(f"{prefix}_{i}", type_) for i, type_ in enumerate(types)]

    def _client_keys(self, keys: Iterable[LeafKey]) -> list[LeafKey]:
        return [key for key in dict.fromkeys(keys) if key.name in self.pieces.client_names]

    def _client_input(self, key: LeafKey) -> ClientInput:
        return ClientInput([name for name, _ in self.pieces.form.parameters].index(key.name), key.index)

    def _leaf(self, key: LeafKey) -> shard_pb2.Leaf:
        return list(leaves_of(unplaced_member(self.pieces.types[key.name])))[key.index]


def _keys(operands: Sequence[tuple[str, tff.Type]]) -> list[LeafKey]:
    return [LeafKey(name, i) for name, type_ in operands for i in range(count_leaves(type_))]


def _count(pieces: Cut, name: str) -> int:
    return count_leaves(unplaced_member(pieces.types[name]))


def _named(zero: Sequence[shard_pb2.Leaf], accumulate: Sequence[shard_pb2.Leaf]) -> list[shard_pb2.Leaf]:
    """Returns the types of the accumulators. Those of `accumulate` count, which can be more general than the zero's."""
    if len(zero) != len(accumulate):
        raise AssertionError("zero and accumulate of an aggregation differ")
    return list(accumulate)


def _is_fixed(leaf: shard_pb2.Leaf) -> bool:
    """Returns whether the tensor has the same shape in every silo, so that it can be merged in blocks."""
    return leaf.HasField("tensor") and not leaf.tensor.unknown_rank and -1 not in leaf.tensor.shape
