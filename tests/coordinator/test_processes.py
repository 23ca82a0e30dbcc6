"""The coordinator's process as a container runs it: killed, stopped, ended and restarted."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.request
from pathlib import Path

import pytest
from fedjobs_common.errors import FedjobsError
from fedjobs_common.jobs.result_manifests import ResultManifest
from fedjobs_common.jobs.statuses import Phase, Status
from fedjobs_protocol.identities.identities import server_name
from fedjobs_protocol.reports.reports_client import watch

from .builders import JOB
from .coordinator_processes import RESULT, Container
from .object_stores import BUCKET, Gate, ObjectStore, options_file

pytestmark = pytest.mark.processes

_PROGRAM = """
import pathlib
import sys

def main(context):
    marker = pathlib.Path(__file__).with_name("runs")
    marker.write_text(marker.read_text() + "x" if marker.exists() else "x")
    context.round_finished(1, {"loss": 0.5})
    heavy = {"tensorflow", "tensorflow_federated"} & set(sys.modules)
    context.write_result({"program": "own", "imported": sorted(heavy)})
"""
_IMPORTS_TFF = "import tensorflow_federated as tff\n"
_SAYS_WHERE_COMPUTATIONS_RUN = """
def main(context):
    import tensorflow_federated as tff
    context.write_result({"program": "own", "context": type(tff.framework.get_context_stack().current).__name__})
"""


def _container_with_program(folder: Path, program: str = _PROGRAM) -> Container:
    container = Container(folder, "own_program:main")
    (folder / "program").mkdir()
    (folder / "program/own_program.py").write_text(program)
    return container


def _runs(container: Container) -> int:
    path = container.root / "program/runs"
    return len(path.read_text()) if path.exists() else 0


def test_a_program_writes_a_result_to_a_bucket(tmp_path: Path, s3: ObjectStore) -> None:
    """The operator watches it, Prometheus scrapes it, and it writes a termination message."""
    container = _container_with_program(tmp_path)
    output = ["--output-uri", f"s3://{BUCKET}/digits", "--output-options", str(options_file(tmp_path, s3.url))]
    with container.started(*output, "--metrics", "127.0.0.1:0") as process:
        process.until_it_listens()
        process.until(lambda: any("port" in line for line in container.log), "the coordinator serves metrics")
        port = next(line["port"] for line in container.log if "port" in line)
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        heard = asyncio.run(_heard(container))
        assert process.ended() == 0

    assert 'fedjobs_coordinator_silos{state="Invited"} 2.0' in metrics
    assert "fedjobs_coordinator_generation 1.0" in metrics
    assert heard[0].phase is Phase.STARTING
    assert heard[-1].phase is Phase.COMPLETE
    stored = s3.contents()
    manifest = ResultManifest.model_validate_json(stored.pop("digits/manifest.json"))
    assert set(stored) == {"digits/result.json"}
    result = container.final_word.result
    assert result is not None
    assert (result.uri, result.digest) == (f"s3://{BUCKET}/digits", manifest.digest)
    assert (container.final_word.phase, container.final_word.round) == (Phase.COMPLETE, 1)
    assert container.status.result == heard[-1].result == result
    told = [line for line in container.log if "jobUid" in line]
    assert {(line["job"], line["jobUid"]) for line in told} == {("digits", JOB)}
    assert any(line["event"] == "round finished" and line["round"] == 1 for line in told)

    with container.started(*output) as process:
        assert process.ended() == 0
    assert container.status.generation == 2
    assert container.final_word.round == 1
    assert _runs(container) == 1


async def _heard(container: Container) -> list[Status]:
    """Returns all statuses. A coordinator whose status cannot be watched would not end successfully."""
    watching = watch(container.address, server_name(JOB), container.authority.issue_operator())
    return [status async for status in watching]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 75)], ids=["killed", "suspended"]
)
def test_a_coordinator_that_ends_during_the_export_continues_it(
    tmp_path: Path, s3: ObjectStore, number: signal.Signals, code: int
) -> None:
    container = Container(tmp_path).with_finished_program()
    with Gate(s3.port, shut_after=500_000) as gate:
        output = ["--output-uri", f"s3://{BUCKET}/digits", "--output-options", str(options_file(tmp_path, gate.url))]
        with container.started(*output) as process:
            process.until(gate.shut.is_set, "half of the export is done")
            process.send(number)
            assert process.ended() == code
    assert "digits/result.json" not in s3.contents()
    if number is signal.SIGKILL:
        assert container.message.read_bytes() == b""
    else:
        assert container.final_word.phase is Phase.SUSPENDED

    options_file(tmp_path, s3.url)
    with container.started(*output) as process:
        assert process.ended() == 0  # the program does not exist any more
    stored = s3.contents()
    assert {name: stored[f"digits/{name}"] for name in RESULT} == RESULT
    assert container.final_word.phase is Phase.COMPLETE


def test_a_signal_during_imports_is_not_lost(tmp_path: Path) -> None:
    container = _container_with_program(tmp_path)
    with container.started() as process:
        process.until_it_catches_sigterm()
        process.send(signal.SIGTERM)
        assert process.ended() == 75
    assert container.final_word.phase is Phase.SUSPENDED
    assert _runs(container) == 0


def test_a_program_that_imports_no_tensorflow_runs_without_it(tmp_path: Path) -> None:
    container = _container_with_program(tmp_path)
    with container.started() as process:
        assert process.ended() == 0
    assert json.loads((container.result / "result.json").read_bytes())["imported"] == []


def test_a_program_that_imports_tff_at_run_time_has_the_silos_as_its_context(tmp_path: Path) -> None:
    container = _container_with_program(tmp_path, _SAYS_WHERE_COMPUTATIONS_RUN)
    with container.started() as process:
        assert process.ended() == 0
    found = json.loads((container.result / "result.json").read_bytes())["context"]
    assert found == "NativeFederatedContext"  # TFF's default is a SyncExecutionContext


def test_a_signal_during_the_import_of_tensorflow_suspends(tmp_path: Path) -> None:
    container = _container_with_program(tmp_path, _IMPORTS_TFF + _PROGRAM)
    with container.started() as process:
        process.until_it_listens()
        process.send(signal.SIGTERM)
        assert process.ended() == 75
    assert (container.final_word.phase, container.status.phase) == (Phase.SUSPENDED, Phase.SUSPENDED)
    assert _runs(container) == 0


def test_a_second_coordinator_in_the_folder_cannot_start_and_does_not_disturb_the_first(tmp_path: Path) -> None:
    container = _container_with_program(tmp_path, _IMPORTS_TFF + _PROGRAM)
    with container.started() as first:
        first.until_it_listens()
        before = (container.state / "generation").read_text()
        other = tmp_path / "other-log"
        with container.started("--termination-message", other) as second:
            assert second.ended() == 4
        assert b'"code":"AlreadyRunning"' in other.read_bytes()
        assert (container.state / "generation").read_text() == before
        first.send(signal.SIGTERM)
        first.ended()


def test_an_operator_that_connects_too_late_gets_an_error(tmp_path: Path) -> None:
    container = Container(tmp_path).with_finished_program()
    with container.started() as process:
        assert process.ended() == 0
    with pytest.raises(FedjobsError) as raised:
        asyncio.run(_heard(container))
    assert raised.value.retryable
