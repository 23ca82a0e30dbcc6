"""Builds a stage: the shard for the silos, and the coordinator's programs that merge and report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow_federated as tff
from fedjobs_common.digests import digest, raw
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_protocol.versions import SHARD_FORMATS
from fedjobs_verifier import verify_for_some_silo
from tensorflow_federated.python.common_libs import structure
from tensorflow_federated.python.core.impl.compiler import building_blocks as bb

from fedjobs_compute.canonical import canonical_shard
from fedjobs_compute.planner.call_dominant import unbound_references
from fedjobs_compute.planner.coordinator_values import coordinator_key, coordinator_program, count_of, leaf_name, typed
from fedjobs_compute.planner.leaves import count_leaves, leaves_of
from fedjobs_compute.planner.merge_kinds import merge_kinds
from fedjobs_compute.planner.programs import LeafKey, NamedProgram, build_program, unplaced_member
from fedjobs_compute.planner.stage_cuts import Cut
from fedjobs_compute.planner.unplaced import unplaced
from fedjobs_compute.plans import ClientInput, KeptInput, Stage

_ZERO, _WORK, _ACCUMULATE, _MERGE, _REPORT = 1, 0, 2, 3, 4  # positions in federated_aggregate's argument


@dataclass(frozen=True)
class _Programs:
    """The programs of a stage, and the leaves of the operands of `accumulate`, `merge` and `report`."""

    zero: NamedProgram
    work: NamedProgram
    accumulate: NamedProgram
    merge: NamedProgram
    report: NamedProgram
    left: list[LeafKey]
    right: list[LeafKey]
    values: list[LeafKey]

    def of_silo(self) -> list[LeafKey]:
        """Returns the leaves that the programs in the silo need from elsewhere, in the order of their first use."""
        own = {*self.left, *self.right, *self.values}
        used = (key for program in (self.zero, self.work, self.accumulate) for key in program.used())
        return [key for key in dict.fromkeys(used) if key not in own]


class StageBuilder:
    """Builds one stage.

    Args:
        pieces: The computation.
        number: The number of the stage.
        constants: The names of calls that a shard can contain as graphs.
    """

    def __init__(self, pieces: Cut, number: int, constants: frozenset[str]) -> None:
        self.pieces = pieces
        self.number = number
        self.constants = constants
        self.aggregations = pieces.aggregations(number)
        self.arguments = [x.call.argument for x in self.aggregations]
        self.kept_outputs: list[LeafKey] = []

    def write_programs(self, needed_later: Sequence[LeafKey]) -> list[LeafKey]:
        """Writes the programs of the stage. Returns the values of earlier stages that they need.

        Args:
            needed_later: The values that later stages need. The stage keeps those that it computes itself.
        """
        kept = [key for key in needed_later if self.pieces.runs_in[key.name] == self.number]
        self.kept_outputs = kept
        types = [a[_ACCUMULATE].type_signature.parameter[0] for a in self.arguments]
        values = self._operands("value", [a[_ACCUMULATE].type_signature.parameter[1] for a in self.arguments])
        left, right = self._operands("left", types), self._operands("right", types)
        self._programs = _Programs(
            zero=self._zero(),
            work=self._work(kept),
            accumulate=self._of_functions(_ACCUMULATE, [left, values]),
            merge=self._of_functions(_MERGE, [left, right]),
            report=self._of_functions(_REPORT, [left]),
            left=_keys(left),
            right=_keys(right),
            values=_keys(values),
        )
        return [key for key in self._programs.of_silo() if key.name in self.pieces.runs_in]

    def build(self, stages: Sequence[StageBuilder], digests: Sequence[Digest]) -> Stage:
        """Returns the stage.

        Args:
            stages: All stages. Those before this one are built.
            digests: The digests of the shards of earlier stages.
        """
        programs = self._programs
        in_silo = programs.of_silo()
        at_clients = [key for key in in_silo if key.name in self.pieces.client_names]
        kept = [key for key in at_clients if key.name in self.pieces.runs_in]
        clients = [key for key in at_clients if key.name not in self.pieces.runs_in]
        down = [key for key in in_silo if key not in at_clients]
        sources = [self._kept_input(key, stages) for key in kept]
        accumulators = _named(programs.zero.output_types, programs.accumulate.output_types)
        message = shard_pb2.Shard(
            format=SHARD_FORMATS[-1],
            broadcasts=[self._leaf(key) for key in down],
            client_inputs=[self._leaf(key) for key in clients],
            accumulators=accumulators,
            zero=programs.zero.numbered(down),
            work=programs.work.numbered([*down, *clients, *kept]),
            accumulate=programs.accumulate.numbered([*down, *programs.left, *programs.values]),
            kept_inputs=[
                shard_pb2.KeptInput(type=self._leaf(key), shard=raw(digests[source.stage]), output=source.output)
                for key, source in zip(kept, sources, strict=True)
            ],
            kept_outputs=[self._leaf(key) for key in self.kept_outputs],
        )
        canonical = canonical_shard(message)
        shard = canonical.SerializeToString(deterministic=True)
        _check_that_silos_run(shard)
        kinds = merge_kinds(programs.merge, programs.left, programs.right)
        results = [LeafKey(x.name, i) for x in self.aggregations for i in range(count_of(self.pieces, x.name))]
        return Stage(
            shard=shard,
            digest=digest(shard),
            broadcasts=tuple(leaf_name(coordinator_key(self.pieces, key)) for key in down),
            client_inputs=tuple(self._client_input(key) for key in clients),
            kept_inputs=tuple(sources),
            kept_outputs=tuple(canonical.kept_outputs),
            accumulators=tuple(accumulators),
            left=tuple(leaf_name(key) for key in programs.left),
            right=tuple(leaf_name(key) for key in programs.right),
            merge_kinds=tuple(kind if _is_fixed(a) else None for kind, a in zip(kinds, accumulators, strict=True)),
            merge=coordinator_program(self.pieces, programs.merge, ()),
            report=coordinator_program(self.pieces, programs.report, results),
            zero=coordinator_program(self.pieces, programs.zero, ()),
        )

    def _kept_input(self, key: LeafKey, stages: Sequence[StageBuilder]) -> KeptInput:
        stage = self.pieces.runs_in[key.name]
        return KeptInput(stage, stages[stage].kept_outputs.index(key))

    def _work(self, kept: Sequence[LeafKey]) -> NamedProgram:
        """Returns the program that computes the values to aggregate, and then those to keep, for one client."""
        values = [a[_WORK] for a in self.arguments]
        names = self.pieces.in_stage((r for v in values for r in unbound_references(v)), self.number)
        blocks = [*values, *(self.pieces.locals[n].call for n in names)]
        makers = list(dict.fromkeys(key.name for key in kept))
        references = [bb.Reference(n, self.pieces.types[n]) for n in makers]
        program = self._program(names, bb.Struct([*values, *references]), blocks, [])
        made = [LeafKey(n, i) for n in makers for i in range(count_of(self.pieces, n))]
        aggregands = len(program.outputs) - len(made)
        return program.with_outputs([*range(aggregands), *(aggregands + made.index(key) for key in kept)])

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
        inputs = typed(self.pieces, (r for r, s in resolved.items() if s not in self.constants))
        first = [c for c in calls if c[0] in constants]
        rest = [c for c in calls if c[0] not in constants]
        return build_program([*inputs, *operands], unplaced(bb.Block([*first, *aliases, *rest], result)))

    def _source(self, name: str) -> str:
        """Returns the name of the value that was broadcast under a name. Returns other names unchanged."""
        block = self.pieces.sent_down.get(name)
        return block.name if isinstance(block, bb.Reference) else name

    def _operands(self, prefix: str, types: Sequence[tff.Type]) -> list[tuple[str, tff.Type]]:
        return [(f"{prefix}_{i}", type_) for i, type_ in enumerate(types)]

    def _client_input(self, key: LeafKey) -> ClientInput:
        return ClientInput([name for name, _ in self.pieces.form.parameters].index(key.name), key.index)

    def _leaf(self, key: LeafKey) -> shard_pb2.Leaf:
        return list(leaves_of(unplaced_member(self.pieces.types[key.name])))[key.index]


def _keys(operands: Sequence[tuple[str, tff.Type]]) -> list[LeafKey]:
    return [LeafKey(name, i) for name, type_ in operands for i in range(count_leaves(type_))]


def _named(zero: Sequence[shard_pb2.Leaf], accumulate: Sequence[shard_pb2.Leaf]) -> list[shard_pb2.Leaf]:
    """Returns the types of the accumulators. Those of `accumulate` count, which can be more general than the zero's."""
    if len(zero) != len(accumulate):
        raise AssertionError("zero and accumulate of an aggregation differ")
    return list(accumulate)


def _is_fixed(leaf: shard_pb2.Leaf) -> bool:
    """Returns whether the tensor has the same shape in every silo, so that it can be merged in blocks."""
    return leaf.HasField("tensor") and not leaf.tensor.unknown_rank and -1 not in leaf.tensor.shape


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
