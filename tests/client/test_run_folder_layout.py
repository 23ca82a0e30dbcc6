import socket
from pathlib import Path

import pytest
from fedjobs import run_folder_layout
from fedjobs.folders import RunFolder
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.resolved_jobs import ResolvedCohort, ResolvedJob, ResolvedProgram
from fedjobs_protocol.identities.identities import Identity


def a_job(uid: str = "11111111-2222-3333-4444-555555555555", rounds: int = 20, silos: int = 2) -> ResolvedJob:
    return ResolvedJob(
        uid=uid,
        name="digits",
        program=ResolvedProgram(name="fedavg", parameters={"rounds": rounds, "client": {"learningRate": 0.05}}),
        dataset="digits",
        silos=[f"hospital-{i}" for i in range(silos)],
        cohort=ResolvedCohort(min_silos=1, goal_silos=silos, round_deadline_seconds=600),
    )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_the_uid_is_created_once_and_stored(folder: RunFolder) -> None:
    first = run_folder_layout.lay_out(folder, a_job(uid="11111111-0000-0000-0000-000000000000"))
    content = folder.job.read_bytes()
    second = run_folder_layout.lay_out(folder, a_job(uid="22222222-0000-0000-0000-000000000000"))
    assert first == second
    assert folder.job.read_bytes() == content


def test_the_coordinators_certificate_is_for_this_job_and_trusts_the_runs_silos(folder: RunFolder) -> None:
    job = run_folder_layout.lay_out(folder, a_job())
    identity = Identity.load(folder.coordinator / "tls")
    assert identity.job_uid == job.uid
    assert identity.trust == run_folder_layout.authority_of(folder).silos.certificate


def test_the_issuers_are_stored_and_readable_by_the_owner_only(folder: RunFolder) -> None:
    run_folder_layout.lay_out(folder, a_job())
    first = run_folder_layout.authority_of(folder)
    run_folder_layout.lay_out(folder, a_job())
    assert run_folder_layout.authority_of(folder) == first
    assert folder.trust.stat().st_mode & 0o077 == 0


def test_another_job_in_the_folder_is_refused_with_its_differences(folder: RunFolder) -> None:
    run_folder_layout.lay_out(folder, a_job(rounds=20))
    with pytest.raises(FedjobsError) as caught:
        run_folder_layout.lay_out(folder, a_job(rounds=30))
    assert caught.value.code is ErrorCode.INVALID_JOB
    assert "spec.program.parameters.rounds is 20 in the existing job and 30 in the given one" in caught.value.message
    assert str(folder.root) in caught.value.message


def test_only_the_first_differences_are_listed(folder: RunFolder) -> None:
    other = a_job().model_copy(update={"name": "a", "dataset": "b", "silos": ["c"], "requested_by": "d"})
    run_folder_layout.lay_out(folder, a_job())
    with pytest.raises(FedjobsError, match=r"; \.\.\.\."):
        run_folder_layout.lay_out(folder, other)


def test_an_unreadable_job_file_is_named(folder: RunFolder) -> None:
    folder.job.write_text("{}")
    with pytest.raises(FedjobsError, match=r"job\.json"):
        run_folder_layout.lay_out(folder, a_job())


def test_a_restart_uses_the_same_port(folder: RunFolder) -> None:
    assert run_folder_layout.choose_port(folder) == run_folder_layout.choose_port(folder)


def test_a_port_that_is_in_use_since_is_replaced(folder: RunFolder) -> None:
    before = run_folder_layout.choose_port(folder)
    with socket.socket() as taken:
        taken.bind((run_folder_layout.HOST, before))
        taken.listen()
        assert run_folder_layout.choose_port(folder) != before


def test_a_requested_port_that_is_in_use_is_an_error(folder: RunFolder) -> None:
    with socket.socket() as taken:
        taken.bind((run_folder_layout.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FedjobsError, match=f"Port {port} of 127.0.0.1 is in use") as caught:
            run_folder_layout.choose_port(folder, port)
    assert caught.value.code is ErrorCode.PORT_IN_USE


def test_one_run_at_a_time_works_in_a_folder(folder: RunFolder) -> None:
    with run_folder_layout.locked(folder):
        with pytest.raises(FedjobsError) as caught, run_folder_layout.locked(folder):
            pass
        assert caught.value.code is ErrorCode.ALREADY_RUNNING
    with run_folder_layout.locked(folder):
        pass


def test_a_file_where_the_folder_should_be_is_an_error_not_a_stack_trace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(FedjobsError, match="Cannot use the run's folder"),
        run_folder_layout.locked(RunFolder(tmp_path / "file")),
    ):
        pass
