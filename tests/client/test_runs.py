import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from fedjobs import runs
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.jobs.statuses import Phase
from fedjobs_common.processes import registered

from tests.client import fakes
from tests.client.waiting import wait_until

pytestmark = pytest.mark.processes


def a_manifest(rounds: int = 2, backoff_limit: int = 3, name: str = "digits") -> dict[str, Any]:
    keras = {"input": [2], "layers": [{"Dense": {"units": 2}}]}
    parameters = {
        "rounds": rounds,
        "model": {"keras": keras, "loss": "sparse_categorical_crossentropy"},
        "client": {"learningRate": 0.1},
    }
    return {
        "apiVersion": "fedjobs.dev/v1alpha1",
        "kind": "FederatedJob",
        "metadata": {"name": name},
        "spec": {
            "program": {"name": "fedavg", "parameters": parameters},
            "dataset": "digits",
            "silos": {"names": ["a", "b"]},
            "backoffLimit": backoff_limit,
        },
    }


@pytest.fixture
def silos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fakes.write(tmp_path / "fakes")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fakes"))
    path = tmp_path / "silos.yaml"
    path.write_text("silo: a\n---\nsilo: b\n")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    out = tmp_path / "run"
    yield out
    assert not [pid for pid in psutil.pids() if _works_in(pid, out)], "all processes of the run must have ended"


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return pid != os.getpid() and any(str(folder) in word for word in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def test_a_run_that_completes(silos: Path, out: Path) -> None:
    fakes.script(out, 0)
    phases, events = [], []
    outcome = runs.run(
        a_manifest(), silos, out, on_status=lambda s: phases.append(s.phase), on_event=lambda e: events.append(e)
    )
    assert (outcome.exit_code, outcome.directory) == (0, out)
    assert phases[-1] is Phase.COMPLETE
    assert [event.phase for event in events] == [Phase.RUNNING, Phase.COMPLETE]
    assert registered(out / "processes") == []


def test_a_complete_run_returns_immediately(silos: Path, out: Path) -> None:
    fakes.script(out, 0)
    runs.run(a_manifest(), silos, out)
    assert runs.run(a_manifest(), silos, out).exit_code == 0
    assert (out / "coordinator/starts").read_text() == "1"


def test_the_default_folder_has_the_jobs_name(silos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fakes.script(tmp_path / "runs/mine", 0)
    assert runs.run(a_manifest(name="mine"), silos).directory == tmp_path / "runs/mine"


def test_a_failed_job_gives_the_reason(silos: Path, out: Path) -> None:
    fakes.script(out, 1)
    outcome = runs.run(a_manifest(), silos, out)
    assert (outcome.exit_code, outcome.message) == (1, "SchemaMismatch: the model does not fit")


def test_a_coordinator_that_crashes_is_restarted_on_the_same_port(silos: Path, out: Path) -> None:
    fakes.script(out, 9, 9, 0)
    assert runs.run(a_manifest(backoff_limit=2), silos, out).exit_code == 0
    assert (out / "coordinator/listen").read_text() == f"127.0.0.1:{(out / 'port').read_text()}"


def test_a_coordinator_that_crashes_too_often_is_not_restarted(silos: Path, out: Path) -> None:
    fakes.script(out, 9, 9, 0)
    outcome = runs.run(a_manifest(backoff_limit=1), silos, out)
    assert outcome.exit_code == 1
    assert "crashed" in outcome.message
    assert "coordinator.log" in outcome.message


def test_the_reason_why_a_coordinator_cannot_start_is_reported(silos: Path, out: Path) -> None:
    fakes.script(out, 4)
    outcome = runs.run(a_manifest(), silos, out)
    assert (outcome.exit_code, outcome.message) == (4, "Port 7 of 127.0.0.1 is in use.")


def test_ctrl_c_ends_a_run_and_the_same_call_continues_it(silos: Path, out: Path) -> None:
    fakes.script(out, "wait", 0)
    before = signal.getsignal(signal.SIGINT)

    def interrupt() -> None:
        wait_until((out / "coordinator/listen").exists)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    outcome = runs.run(a_manifest(), silos, out)
    thread.join()
    uid = ResolvedJob.model_validate_json((out / "job.json").read_bytes()).uid
    assert outcome.exit_code == 130
    assert "Run the same command again" in outcome.message
    assert signal.getsignal(signal.SIGINT) is before

    phases: list[Phase] = []
    assert runs.run(a_manifest(), silos, out, on_status=lambda s: phases.append(s.phase)).exit_code == 0
    assert Phase.SUSPENDED not in phases  # the first start reported it
    assert ResolvedJob.model_validate_json((out / "job.json").read_bytes()).uid == uid


def test_all_processes_end_when_the_caller_is_killed(silos: Path, out: Path) -> None:
    fakes.script(out, "wait", 0)
    code = (
        "import json, os, sys; from pathlib import Path; from fedjobs import runs;"
        "os.environ['PYTHONPATH'] = sys.argv[4];"
        "runs.run(json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    arguments = [json.dumps(a_manifest()), str(silos), str(out), str(silos.with_name("fakes"))]
    with subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment) as process:
        wait_until((out / "coordinator/listen").exists)
        process.kill()
    wait_until(lambda: not [pid for pid in psutil.pids() if _works_in(pid, out)])
    assert runs.run(a_manifest(), silos, out).exit_code == 0


def test_another_job_in_the_folder_is_refused(silos: Path, out: Path) -> None:
    fakes.script(out, 0)
    runs.run(a_manifest(rounds=2), silos, out)
    with pytest.raises(FedjobsError, match=r"parameters\.rounds is 2 in the existing job and 3 in the given one"):
        runs.run(a_manifest(rounds=3), silos, out)


def test_an_invalid_input_is_found_before_anything_is_written(silos: Path, out: Path) -> None:
    with pytest.raises(FedjobsError) as caught:
        runs.run(a_manifest() | {"kind": "Job"}, silos, out)
    assert caught.value.code is ErrorCode.INVALID_JOB
    with pytest.raises(FedjobsError) as caught:
        runs.run(a_manifest(), silos.with_name("missing.yaml"), out)
    assert caught.value.code is ErrorCode.INVALID_SILO_FILE
    assert not out.exists()
