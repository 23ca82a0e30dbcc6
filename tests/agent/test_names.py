from __future__ import annotations

from fedjobs_agent import names


def test_a_short_name_says_all() -> None:
    assert names.worker("digits", "hospital-a") == "digits-hospital-a-worker"


def test_a_long_name_stays_a_label_and_its_own() -> None:
    job, silo = "j" * 40, "s" * 63
    name = names.worker(job, silo)
    assert len(name) <= 63
    assert name != names.worker(job, silo[:-1])
    assert name == names.worker(job, silo)


def test_dots_are_replaced_and_still_told_apart() -> None:
    assert "." not in names.worker("a.b", "s")
    assert names.worker("a.b", "s") != names.worker("a-b", "s")
