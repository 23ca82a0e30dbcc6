import pytest

from bench.memory import forget_peak, resident
from bench.parts import Part, PartEndedError


@pytest.mark.processes
def test_the_limit_measures_rounds_and_leaves_no_process() -> None:
    with Part("limit", silos=2, size=4096) as part:
        assert part.round() > 0
        assert part.round() > 0
        family = part.family
    assert len(family) == 2
    assert not any(process.is_running() for process in family)


@pytest.mark.processes
def test_a_part_that_ends_early_is_reported_by_its_name() -> None:
    with Part("no_such_part", silos=1, size=4) as part, pytest.raises(PartEndedError, match=r"bench\.no_such_part"):
        part.round()


def test_the_peak_counts_from_its_last_reset() -> None:
    forget_peak()
    _, before = resident()
    block = bytearray(b"x" * (32 << 20))
    _, after = resident()
    assert after - before >= len(block)
