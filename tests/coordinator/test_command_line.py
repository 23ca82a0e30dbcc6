"""How a coordinator ends if there is nothing to run: exit status, termination message and status."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fedjobs_common import digests, retries
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.result_manifests import ResultManifest
from fedjobs_common.jobs.statuses import FinalWord, Phase
from fedjobs_coordinator.__main__ import main
from fedjobs_coordinator.process.command_line import CANNOT_START
from fedjobs_coordinator.process.job_runs import JobRun

from .coordinator_processes import RESULT, Container
from .object_stores import BUCKET, ObjectStore, options_file


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    before = signal.getsignal(signal.SIGTERM)
    yield Container(tmp_path)
    signal.signal(signal.SIGTERM, before)


def test_without_an_output_the_result_stays_in_place(container: Container) -> None:
    assert main(container.with_finished_program().arguments()) == 0
    word = container.final_word
    assert word == FinalWord.of(container.status)
    assert word.phase is Phase.COMPLETE
    assert word.result is not None
    assert word.result.uri == f"file://{container.result}"
    noted = ResultManifest.model_validate_json((container.state / "finished.json").read_bytes())
    assert word.result.digest == noted.digest
    assert {
        path.relative_to(container.result).as_posix() for path in container.result.rglob("*") if path.is_file()
    } == set(RESULT)


def test_a_result_is_exported_to_a_mounted_claim(container: Container) -> None:
    assert (
        main(container.with_finished_program().arguments("--output-uri", f"file://{container.root}/output/digits")) == 0
    )
    assert (container.root / "output/digits/model/weights.safetensors").read_bytes() == RESULT[
        "model/weights.safetensors"
    ]
    assert container.final_word.result is not None
    assert container.final_word.result.uri == f"file://{container.root}/output/digits"


def test_silos_that_join_during_the_export_learn_that_the_job_is_over(container: Container) -> None:
    main(container.with_finished_program().arguments("--output-uri", f"file://{container.root}/output"))
    events = [json.loads(line) for line in (container.state / "progress.jsonl").read_bytes().splitlines()]
    assert [event["phase"] for event in events] == ["Exporting", "Complete"]


def test_a_wrong_bucket_fails_permanently_and_before_the_computation(container: Container, s3: ObjectStore) -> None:
    output = ["--output-uri", "s3://elsewhere/x", "--output-options", options_file(container.root, s3.url)]
    assert main(container.arguments(*output)) == 1
    word = container.final_word
    assert (word.phase, word.code) == (Phase.FAILED, "InvalidOutput")
    assert "s3://elsewhere/x" in word.message
    assert (container.status.phase, container.status.code) == (Phase.FAILED, "InvalidOutput")


def test_an_unreachable_storage_is_retried_by_the_next_attempt(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_STEP_LONGEST_S", 0.001)
    options = options_file(container.root, "http://127.0.0.1:1")
    impatient = json.loads(options.read_text()) | {"config_kwargs": {"retries": {"max_attempts": 0}}}
    options.write_text(json.dumps(impatient))
    output = ["--output-uri", f"s3://{BUCKET}/x", "--output-options", options]
    assert main(container.with_finished_program().arguments(*output)) == 74
    word = container.final_word
    assert (word.phase, word.code, word.result) == (Phase.EXPORTING, "OutputUnavailable", None)
    assert main(container.arguments()) == 0


def test_a_full_disk_is_retried_by_the_next_attempt(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: JobRun) -> None:
        raise FedjobsError(ErrorCode.DISK_FULL, "The disk is full.", "Give the coordinator more storage.")

    monkeypatch.setattr(JobRun, "_run_program", full)
    assert main(container.arguments()) == 74
    assert (container.final_word.phase, container.final_word.code) == (Phase.STARTING, "DiskFull")
    assert container.status.message == "The disk is full. Give the coordinator more storage."


def test_a_corrupt_result_is_not_complete(container: Container) -> None:
    container.with_finished_program()
    (container.result / "result.json").write_bytes(b"[]\n")
    assert main(container.arguments()) == 1  # the coordinator looks for the program, which does not exist
    assert container.final_word.code == "InvalidProgramParameter"


def test_an_unreadable_job_fails_permanently(container: Container) -> None:
    (container.root / "job.json").write_text("{}")
    assert main(container.arguments()) == 1
    assert (container.final_word.phase, container.final_word.code) == (Phase.FAILED, "InvalidJob")
    assert len(container.message.read_bytes()) <= 4096


def test_a_missing_certificate_prevents_the_start(container: Container) -> None:
    (container.tls / "tls.crt").unlink()
    assert main(container.arguments()) == 4
    assert (container.final_word.phase, container.final_word.code) == (Phase.STARTING, "InvalidCertificate")


@pytest.mark.parametrize("option", ["--listen", "--metrics"])
def test_a_port_in_use_prevents_the_start_and_leaves_the_folder_unlocked(container: Container, option: str) -> None:
    container.with_finished_program()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(container.arguments(option, address)) == 4
        assert container.final_word.code == "PortInUse"
        assert address in container.final_word.message
    assert main(container.arguments()) == 0


def test_a_bug_is_a_crash_without_a_termination_message(container: Container) -> None:
    container.state.rename(container.root / "elsewhere")
    assert main(container.arguments()) == 70
    assert container.message.read_bytes() == b""


def test_an_unwritable_termination_message_changes_nothing_else(container: Container) -> None:
    container.message.unlink()
    container.message.mkdir()
    assert main(container.with_finished_program().arguments()) == 0


def test_a_job_that_the_operator_did_not_resolve_does_not_run(container: Container) -> None:
    """A user who can write ConfigMaps can replace the one that the pod mounts."""
    expected = str(digests.digest((container.root / "job.json").read_bytes()))
    assert main(container.with_finished_program().arguments("--job-digest", expected)) == 0
    (container.root / "job.json").write_text((container.root / "job.json").read_text() + " ")
    assert main(container.arguments("--job-digest", expected)) == CANNOT_START
    word = container.final_word
    assert (word.phase, word.code) == (Phase.STARTING, "InvalidJob")
    assert "is not the job that the operator resolved: somebody replaced its ConfigMap" in word.message
