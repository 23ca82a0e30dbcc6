from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fedjobs import runs
from fedjobs.cli import app
from fedjobs.exits import _ENVIRONMENT, _INVALID_FILE, Exit, exit_code
from fedjobs.runs import RunOutcome
from fedjobs_common import processes
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.statuses import Phase
from typer.testing import CliRunner, Result

from tests.api.jobs import a_job, a_job_with
from tests.client.run_folders import DIGEST, ARun, a_round, a_status

HEAVY = {"tensorflow", "tensorflow_federated", "matplotlib", "pyarrow", "pydantic", "grpc", "numpy"}


def fedjobs(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(a_job()))
    return path


@pytest.fixture
def run(tmp_path: Path) -> ARun:
    return ARun(tmp_path / "run")


@pytest.mark.parametrize("command", [[], ["run"], ["validate"], ["result"], ["ps"], ["version"]])
def test_every_command_has_help_with_an_example_or_the_exit_codes(command: list[str]) -> None:
    shown = fedjobs(*command, "--help")
    assert shown.exit_code == Exit.DONE
    assert ("Example: fedjobs" in shown.output) == bool(command)
    assert ("130" in shown.output) != bool(command)


def test_a_wrong_command_line_ends_with_2(job: Path) -> None:
    assert fedjobs("run", job).exit_code == Exit.USAGE
    assert fedjobs("run", job, "--silos", "s.yaml", "--port", "70000").exit_code == Exit.USAGE


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, fedjobs, fedjobs.cli; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(found.stdout.split())


def test_completion_is_offered_for_the_shell() -> None:
    environment = {**os.environ, "_FEDJOBS_COMPLETE": "complete_bash", "COMP_WORDS": "fedjobs va", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'fedjobs'; from fedjobs.cli import main; main()"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "validate"


def test_validate_names_a_valid_job(job: Path) -> None:
    shown = fedjobs("validate", job)
    assert (shown.exit_code, shown.output.strip()) == (Exit.DONE, f"{job} is valid: job digits")


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_a_wrong_field_ends_with_3_and_a_stack_trace_only_on_demand(job: Path, debug: list[str]) -> None:
    job.write_text(yaml.safe_dump(a_job_with("spec.cohort.minSilo", 3)))
    shown = fedjobs("validate", job, *debug)
    assert shown.exit_code == Exit.INVALID_FILE
    assert "error InvalidJob: " in shown.stderr
    assert "spec.cohort.minSilo is not a known field" in shown.stderr
    assert "Did you mean 'minSilos'?" in shown.stderr
    assert ("Traceback" in shown.stderr) == bool(debug)


def test_debug_is_also_an_option_before_the_command(tmp_path: Path) -> None:
    assert "Traceback" in fedjobs("--debug", "validate", tmp_path / "none.yaml").stderr


def test_validate_checks_the_silos_too(job: Path, tmp_path: Path) -> None:
    silos = tmp_path / "silos.yaml"
    silos.write_text("silo: hospital-a\n---\nsilo: hospital-b\n")
    shown = fedjobs("validate", job, "--silos", silos)
    assert shown.exit_code == Exit.INVALID_FILE
    assert "'digits' is missing in the silo files of hospital-a, hospital-b" in shown.stderr


def test_validate_reads_the_data_only_when_asked_to(job: Path, tmp_path: Path) -> None:
    silo = {"datasets": {"digits": {"source": {"csv": {"path": "a.csv"}}, "features": {"columns": ["p0"]}}}}
    silos = tmp_path / "silos.yaml"
    silos.write_text(yaml.safe_dump_all([{"silo": f"hospital-{name}", **silo} for name in "ab"]))
    assert fedjobs("validate", job, "--silos", silos).exit_code == Exit.DONE
    shown = fedjobs("validate", job, "--silos", silos, "--data")
    assert shown.exit_code == Exit.INVALID_FILE
    assert "error DataNotFound: silo hospital-b, dataset digits: There is no file" in shown.stderr
    (tmp_path / "a.csv").write_text("p0\n1\n2\n")
    assert (
        "silo hospital-b, dataset digits: 2 examples, 1 client"
        in fedjobs("validate", job, "--silos", silos, "--data").output
    )
    assert fedjobs("validate", job, "--data").exit_code == Exit.USAGE


def ending(monkeypatch: pytest.MonkeyPatch, outcome: RunOutcome | BaseException) -> dict[str, Any]:
    """Replaces runs by a fake that ends like this after one round. Returns the arguments of its call."""
    called: dict[str, Any] = {}

    def run(job: Path, silos: Path, out: Path | None, **options: Any) -> RunOutcome:
        called.update(job=job, silos=silos, out=out, **options)
        if isinstance(outcome, BaseException):
            raise outcome
        options["on_status"](a_status(rounds=3))
        options["on_event"](a_round(1))
        return outcome

    monkeypatch.setattr(runs, "run", run)
    return called


def test_a_run_shows_its_rounds_and_the_location_of_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    called = ending(monkeypatch, RunOutcome(0, "The run is complete.", Path("runs/mine")))
    shown = fedjobs("run", "job.yaml", "--silos", "silos.yaml", "--out", "runs/mine", "--port", 4000)
    assert shown.exit_code == Exit.DONE
    assert "round 1/3" in shown.output
    assert "fedjobs result runs/mine" in shown.output
    assert (called["out"], called["listen_port"], called["debug"]) == (Path("runs/mine"), 4000, False)


@pytest.mark.parametrize("code", [Exit.FAILED, Exit.ENVIRONMENT, Exit.INTERRUPTED])
def test_a_run_ends_with_the_code_and_message_of_its_outcome(monkeypatch: pytest.MonkeyPatch, code: Exit) -> None:
    ending(monkeypatch, RunOutcome(int(code), "What happened.", Path("runs/mine")))
    shown = fedjobs("run", "job.yaml", "--silos", "silos.yaml")
    assert shown.exit_code == code
    assert "What happened." in shown.stderr


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            FedjobsError(ErrorCode.PORT_IN_USE, "Port 1 is in use."),
            Exit.ENVIRONMENT,
            "error PortInUse: Port 1 is in use.",
        ),
        (PermissionError(13, "Permission denied", "/runs"), Exit.ENVIRONMENT, "/runs: Permission denied"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted"),
        (ZeroDivisionError("oops"), Exit.FAILED, "error Internal: ZeroDivisionError: oops"),
    ],
)
def test_an_error_of_a_run_is_shown_without_a_stack_trace(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: Exit, said: str
) -> None:
    ending(monkeypatch, error)
    shown = fedjobs("run", "job.yaml", "--silos", "silos.yaml")
    assert shown.exit_code == code
    assert said in shown.stderr
    assert "Traceback" not in shown.output


def test_error_codes_that_determine_the_exit_code_are_in_the_catalogue() -> None:
    assert {code.label for code in ErrorCode} >= _INVALID_FILE | _ENVIRONMENT
    assert exit_code(ErrorCode.PROGRAM_FAILED) is Exit.FAILED


def test_result_shows_metrics_model_and_curves(run: ARun) -> None:
    shown = fedjobs("result", run.with_rounds(2).complete().folder.root)
    assert shown.exit_code == Exit.DONE
    assert DIGEST in shown.output
    assert str(run.folder.result / "model/model.keras") in shown.output
    assert (run.folder.result / "learning-curves.png").exists()


def test_result_can_be_printed_as_json(run: ARun) -> None:
    shown = fedjobs("result", run.with_rounds(2).complete().folder.root, "--json")
    found = json.loads(shown.stdout)
    assert found["model"]["digest"] == DIGEST
    assert [entry["round"] for entry in found["metrics"]] == [1, 2]
    assert found["metrics"][0]["evaluation/accuracy"] == 0.25
    assert not (run.folder.result / "learning-curves.png").exists()


def test_result_of_a_failed_job_gives_the_reason_and_ends_with_1(run: ARun) -> None:
    run.with_rounds(1).with_status(phase=Phase.FAILED, code="CohortTooSmall", message="Two silos left.", round=1)
    shown = fedjobs("result", run.folder.root)
    assert shown.exit_code == Exit.FAILED
    assert "Failed (CohortTooSmall) after 1 round: Two silos left." in shown.stderr


def test_result_and_ps_of_a_folder_that_is_no_run_end_with_3(tmp_path: Path) -> None:
    for command in ("result", "ps"):
        assert fedjobs(command, tmp_path / "nowhere").exit_code == Exit.INVALID_FILE


def test_ps_lists_running_processes(run: ARun) -> None:
    processes.register(run.folder.processes, "coordinator")
    processes.register(run.folder.processes, "worker", "hospital-a")
    gone = {"role": "worker", "silo": "hospital-b", "pid": 2**22, "started": 1.0}
    (run.folder.processes / "worker.hospital-b.json").write_text(json.dumps(gone))
    found = json.loads(fedjobs("ps", run.folder.root, "--json").stdout)
    assert [(p["role"], p["silo"], p["pid"]) for p in found] == [
        ("coordinator", None, os.getpid()),
        ("worker", "hospital-a", os.getpid()),
    ]
    assert all(p["state"] in ("running", "sleeping") for p in found)
    assert "hospital-a" in fedjobs("ps", run.folder.root).output
    assert json.loads(fedjobs("ps", run.folder.root, "--json", "--all").stdout)[-1]["state"] == "gone"


def test_ps_of_an_ended_run_lists_nothing(run: ARun) -> None:
    assert json.loads(fedjobs("ps", run.folder.root, "--json").stdout) == []
    assert "No processes of" in fedjobs("ps", run.folder.root).output


def test_version_names_the_protocol_too() -> None:
    assert json.loads(fedjobs("version", "--json").stdout)["protocol"] == "1, 2"
