import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from fedjobs.folders import RunFolder
from fedjobs.launcher import LocalSilos
from fedjobs_protocol.hub.invitations import Invitation
from fedjobs_protocol.identities.identities import Identity, RunAuthority, server_name
from fedjobs_worker import silo_files
from fedjobs_worker.silo_files import SiloFile

from tests.client import fakes
from tests.client.waiting import wait_until

pytestmark = pytest.mark.processes
UID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(autouse=True)
def _fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.write(tmp_path / "fakes")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fakes"))


def the_silos(
    directory: Path,
    *names: str,
    files: dict[str, SiloFile] | None = None,
    is_over: Callable[[str], bool] = lambda _: False,
) -> LocalSilos:
    invitation = Invitation(
        job_uid=UID,
        job_name="digits",
        program="",
        datasets=["digits"],
        address="127.0.0.1:7",
        server_name=server_name(UID),
    )
    return LocalSilos(directory, names, invitation, RunAuthority.create(), files=files, is_over=is_over)


def starts(folder: RunFolder, silo: str) -> int:
    path = folder.silo(silo).state / "starts"
    return int(path.read_text() or 0) if path.exists() else 0


def test_each_silo_gets_its_invitation_its_certificate_and_its_file(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    file = SiloFile.model_validate(
        {
            "silo": "a",
            "datasets": {"digits": {"source": {"csv": {"path": "/data/x.csv"}}, "features": {"columns": ["p"]}}},
        }
    )
    with the_silos(folder.root, "a", "b", files={"a": file}):
        invitation = Invitation.model_validate_json(folder.silo("a").invitation.read_bytes())
        assert (invitation.address, invitation.server_name) == ("127.0.0.1:7", server_name(UID))
        assert invitation.datasets == ["digits"]
        assert Identity.load(folder.silo("b").tls).job_uid == UID
        assert silo_files.load(folder.silo("a").silo_file) == file
        assert silo_files.load(folder.silo("b").silo_file) == SiloFile(silo="b")


def test_all_processes_start_and_end(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with the_silos(folder.root, "a", "b"):
        wait_until(lambda: starts(folder, "a") == starts(folder, "b") == 1)
        pids = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and names(int(pid), folder)]  # noqa: PTH208
        assert len(pids) == 3
    assert not [pid for pid in pids if names(pid, folder)]


def names(pid: int, folder: RunFolder) -> bool:
    """Returns whether the command line of a process contains the folder."""
    try:
        return str(folder.root).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_worker_that_is_killed_or_ends_is_restarted_until_the_job_is_over_for_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    over: set[str] = set()
    with the_silos(folder.root, "a", "b", is_over=over.__contains__):
        wait_until(lambda: starts(folder, "a") == starts(folder, "b") == 1)
        end_worker(folder, "a", signal.SIGKILL)
        wait_until(lambda: starts(folder, "a") == 2)
        over.add("b")
        end_worker(folder, "b", signal.SIGTERM)
        end_worker(folder, "a", signal.SIGTERM)
        wait_until(lambda: starts(folder, "a") == 3)
    assert starts(folder, "b") == 1


def end_worker(folder: RunFolder, silo: str, number: signal.Signals) -> None:
    own = str(folder.silo(silo).state)
    (pid,) = [int(p) for p in os.listdir("/proc") if p.isdigit() and has_in_command(int(p), own)]  # noqa: PTH208
    os.kill(pid, number)


def has_in_command(pid: int, word: str) -> bool:
    try:
        return word in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return False


def test_for_a_long_path_the_socket_is_in_another_folder_which_is_deleted(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / ("long" * 25))
    with the_silos(folder.root, "a"):
        wait_until(lambda: starts(folder, "a") == 1)
        socket_path = Path((folder.silo("a").state / "socket").read_text())
        assert len(str(socket_path)) < 100
    assert not socket_path.parent.exists()


def test_silos_share_the_machines_cores(tmp_path: Path) -> None:
    run = tmp_path / "r"
    names = [f"s{i}" for i in range(4)]
    with the_silos(run, *names):
        where = RunFolder(run).silo("s0").state / "socket"
        wait_until(lambda: where.exists() and where.read_text() and Path(where.read_text()).exists())
        threads = Path(where.read_text())
        wait_until(lambda: threads.read_text())
        assert int(threads.read_text()) == max(1, len(os.sched_getaffinity(0)) // 4)


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    silos = the_silos(tmp_path / "run", "a")
    silos.start()
    silos.stop()
    silos.stop()


def test_a_restart_writes_the_invitation_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.silo("a").root.mkdir(parents=True)
    folder.silo("a").invitation.write_text(json.dumps({"address": "127.0.0.1:1"}))
    with the_silos(folder.root, "a"):
        assert Invitation.model_validate_json(folder.silo("a").invitation.read_bytes()).address == "127.0.0.1:7"
