from __future__ import annotations

import math

import pytest
from fedjobs_common.jobs.statuses import (
    LONGEST_FINAL_WORD,
    FinalWord,
    Phase,
    ResultLocation,
    SiloState,
    SiloStatus,
    Status,
)

STATUS = Status(
    job_uid="1",
    job_name="digits",
    phase=Phase.COMPLETE,
    generation=3,
    round=20,
    rounds=20,
    metrics={"loss": math.nan, "other": math.inf},
    computation="ab" * 32,
    result=ResultLocation(uri="s3://models/digits", digest="cd" * 32),
)


def test_a_status_survives_a_round_trip_with_all_numbers() -> None:
    again = Status.model_validate_json(STATUS.to_json())
    assert math.isnan(again.metrics["loss"])
    assert again.metrics["other"] == math.inf
    assert (again.result, again.computation) == (STATUS.result, STATUS.computation)


def test_the_termination_message_is_that_of_the_last_status() -> None:
    word = FinalWord.model_validate_json(FinalWord.of(STATUS).to_json())
    assert (word.phase, word.round, word.rounds, word.code) == (Phase.COMPLETE, 20, 20, "")
    assert (word.computation, word.result) == (STATUS.computation, STATUS.result)


def test_a_long_final_word_fits_into_a_termination_message() -> None:
    long = "€\n" * 5000
    content = FinalWord.of(STATUS.model_copy(update={"message": long, "code": "ProgramFailed"})).to_json()
    assert LONGEST_FINAL_WORD // 2 < len(content) <= LONGEST_FINAL_WORD
    word = FinalWord.model_validate_json(content)
    assert word.code == "ProgramFailed"
    assert word.message
    assert long.startswith(word.message)


def test_a_final_word_has_silos_and_metrics() -> None:
    silos = [SiloStatus(name="hospital-a", state=SiloState.READY, device="cpu", clients=5)]
    word = FinalWord.model_validate_json(FinalWord.of(STATUS.model_copy(update={"silos": silos})).to_json())
    assert word.silos == silos
    assert math.isnan(word.metrics["loss"])
    assert word.metrics["other"] == math.inf


@pytest.mark.parametrize(("silos", "kept", "messages"), [(2, 2, True), (30, 30, False), (500, 0, False)])
def test_a_final_word_has_as_many_silos_as_fit(silos: int, kept: int, messages: bool) -> None:
    rows = [SiloStatus(name=f"silo-{n}", state=SiloState.REFUSED, message="x" * 300) for n in range(silos)]
    content = FinalWord.of(STATUS.model_copy(update={"silos": rows, "message": "It failed."})).to_json()
    assert len(content) <= LONGEST_FINAL_WORD
    word = FinalWord.model_validate_json(content)
    assert len(word.silos) == kept
    assert any(silo.message for silo in word.silos) is messages
    assert (word.message, word.result) == ("It failed.", STATUS.result)


def test_three_phases_are_final() -> None:
    assert {phase for phase in Phase if phase.is_final} == {Phase.COMPLETE, Phase.FAILED, Phase.SUSPENDED}
