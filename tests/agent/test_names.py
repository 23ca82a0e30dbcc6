from __future__ import annotations

from fedjobs_agent.planning import names

ONE, TWO = "0f8e7d6c-5b4a-4938-a716-253443526170", "1a8e7d6c-5b4a-4938-a716-253443526170"


def test_a_short_name_contains_the_full_job_name() -> None:
    assert names.worker("digits", ONE, "hospital-a") == "digits-hospital-a-0f8e7d6c"


def test_jobs_of_the_same_name_have_different_workers() -> None:
    assert names.worker("digits", ONE, "hospital-a") != names.worker("digits", TWO, "hospital-a")


def test_a_long_name_stays_a_valid_and_unique_label() -> None:
    job, silo = "j" * 40, "s" * 63
    name = names.worker(job, ONE, silo)
    assert len(name) <= 63
    assert name != names.worker(job, ONE, silo[:-1])
    assert name == names.worker(job, ONE, silo)


def test_dots_are_replaced_and_names_stay_unique() -> None:
    assert "." not in names.worker("a.b", ONE, "s")
    assert names.worker("a.b", ONE, "s") != names.worker("a-b", ONE, "s")
