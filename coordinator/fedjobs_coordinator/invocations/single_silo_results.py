"""Decides whose results a program may see for each silo alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fedjobs_common.ids import SiloName


def withheld(silos: Collection[SiloName], cohort_sizes: Mapping[SiloName, int]) -> dict[SiloName, str]:
    """Returns the silos whose own results are left out, each with the reason.

    A result of one silo alone is a result over a cohort of one. The difference between the result of all silos and the
    results of some silos is a result over the others. So if fewer silos would be left out than one of them requires in
    a cohort, all are left out.

    Args:
        silos: The silos whose accumulators are in the result.
        cohort_sizes: The smallest cohort that each silo's policy allows (`policy.minCohortSize`). 1 if it is missing.
    """
    strict = {silo: size for silo in silos if (size := cohort_sizes.get(silo, 1)) > 1}
    reasons = {silo: f"its policy allows no result over fewer than {size} silos" for silo, size in strict.items()}
    if strict and len(strict) < max(strict.values()):
        told = "the results of the other silos would show the result of " + ", ".join(sorted(strict))
        reasons |= {silo: told for silo in silos if silo not in strict}
    return reasons
