"""Which intrinsics of TensorFlow Federated are planned, and how, or why not. The planner refuses by this table.

The documentation contains the table. A test compares it with the intrinsics that TensorFlow Federated defines.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Intrinsic:
    """What happens with an intrinsic.

    Attributes:
        planned: Whether the planner accepts it.
        text: How it is planned, or why it is refused.
    """

    planned: bool
    text: str


_AGGREGATE = Intrinsic(True, "converted to `federated_aggregate`")
_ARITHMETIC = Intrinsic(True, "converted to TensorFlow operations")
_EVAL = "once for each client, in the first stage that needs it; later stages get the same value"
_NO_SECURE_SUM = Intrinsic(
    False, "secure aggregation is not supported yet, and fedjobs never computes a secure sum in the clear"
)
_NO_SECURE_SELECT = Intrinsic(
    False, "secure selection is not supported yet, and fedjobs never sends its keys in the clear"
)
_STRUCTURE = Intrinsic(True, "changes the structure only")

INTRINSICS: dict[str, Intrinsic] = {
    "federated_aggregate": Intrinsic(
        True, "`zero` and `accumulate` in the shard, `merge` and `report` at the coordinator"
    ),
    "federated_apply": Intrinsic(True, "at the coordinator"),
    "federated_broadcast": Intrinsic(True, "the value is sent once to each silo, however often it is used"),
    "federated_eval_at_clients": Intrinsic(True, _EVAL),
    "federated_eval_at_server": Intrinsic(True, "once, at the coordinator"),
    "federated_map": Intrinsic(True, f"in the shard, {_EVAL}"),
    "federated_map_all_equal": Intrinsic(True, f"in the shard, {_EVAL}"),
    "federated_max": _AGGREGATE,
    "federated_mean": _AGGREGATE,
    "federated_min": _AGGREGATE,
    "federated_secure_select": _NO_SECURE_SELECT,
    "federated_secure_sum": _NO_SECURE_SUM,
    "federated_secure_sum_bitwidth": _NO_SECURE_SUM,
    "federated_select": Intrinsic(
        True, "the coordinator sends the server value and the select function; the keys stay in the silo"
    ),
    "federated_sum": _AGGREGATE,
    "federated_value_at_clients": Intrinsic(True, "evaluated at the coordinator and broadcast"),
    "federated_value_at_server": Intrinsic(True, "evaluated once, at the coordinator"),
    "federated_weighted_mean": _AGGREGATE,
    "federated_zip_at_clients": _STRUCTURE,
    "federated_zip_at_server": _STRUCTURE,
    "generic_divide": _ARITHMETIC,
    "generic_multiply": _ARITHMETIC,
    "generic_plus": _ARITHMETIC,
    "generic_zero": _ARITHMETIC,
    "sequence_map": Intrinsic(True, "a dataset's `map`"),
    "sequence_reduce": Intrinsic(True, "a dataset's `reduce`"),
    "sequence_sum": Intrinsic(True, "a dataset's `reduce`"),
}


def table() -> str:
    """Returns the table as Markdown."""
    rows = [
        f"| `{name}` | {'planned' if intrinsic.planned else 'refused'} | {intrinsic.text} |"
        for name, intrinsic in sorted(INTRINSICS.items())
    ]
    return "\n".join(["| Intrinsic | | How it is planned, or why it is refused |", "|---|---|---|", *rows])
