"""What cannot change once a job is there: a run goes on with what it began with."""

from __future__ import annotations

from fedjobs_operator.api.markers import Extra, rule


def unchangeable(path: str, *, optional: bool = False) -> Extra:
    """The rule that a field keeps its value.

    Args:
        path: From the model that has the rule; the field's parents are always there, required or by a default.
        optional: The field may be absent, and is then to stay absent. (Comparing optional values says the same in fewer
            words, but the API server cannot tell what that costs, and refuses it.)
    """
    new, old = f"self.{path}", f"oldSelf.{path}"
    same = f"{new} == {old}"
    name = path.rpartition(".")[2]
    return rule(
        f"has({new}) == has({old}) && (!has({new}) || {same})" if optional else same,
        f"{name} cannot change once the job is there: make a job of another name, or delete this one first",
        field=f".{path}",
        forbidden=True,
    )
