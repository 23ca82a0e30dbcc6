from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fedjobs_api as api
import pytest
from fedjobs import results
from fedjobs.cli import app
from fedjobs.cluster import container_files, result_places
from fedjobs.cluster.federated_jobs import FederatedJobs
from fedjobs.cluster.result_fetcher import fetch
from fedjobs.exits import Exit
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.result_manifests import manifest_of
from typer.testing import CliRunner, Result

from tests.api.jobs import a_job
from tests.client.cluster.fake_clusters import FakeCluster, a_coordinator_pod, serving
from tests.client.cluster.jobs_on_a_cluster import AJob, a_coordinator_job
from tests.client.run_folders import DIGEST, ARun

UID = AJob().body["metadata"]["uid"]


class Storage:
    """The mounted volumes of a fake cluster's pods: `/state` as a coordinator leaves it, and `/output`."""

    def __init__(self, root: Path) -> None:
        run = ARun(root / "run").with_rounds(2).complete().with_status(round=2)
        self.state = root / "state"
        run.folder.coordinator.rename(self.state)
        run.folder.result.rename(self.state / "result")
        (self.state / "result/model").mkdir()
        (self.state / "result/model/model.keras").write_bytes(b"k" * 100_000)
        (self.state / "checkpoints").mkdir()

    @property
    def result(self) -> Path:
        return self.state / "result"

    @property
    def digest(self) -> str:
        return manifest_of(UID, self.result).digest

    def exported_to(self, folder: Path) -> None:
        """Exports the result as a coordinator does: with the manifest, next to other files."""
        manifest = manifest_of(UID, self.result)
        for file in manifest.files:
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / file.path).write_bytes((self.result / file.path).read_bytes())
        (folder / "manifest.json").write_bytes(manifest.to_json())
        (folder / "of-others.bin").write_bytes(b"not of this job")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    cluster = FakeCluster(tmp_path)
    manifest = a_coordinator_job()
    cluster.add("jobs", manifest)
    resolved = api.resolve(api.parse(a_job()), ["hospital-a", "hospital-b"], folder=tmp_path)
    resolved = resolved.model_copy(update={"uid": UID})
    data = {"job.json": resolved.model_dump_json(by_alias=True)}
    cluster.add("configmaps", {"metadata": {"name": "digits-resolved"}, "data": data})
    return cluster


@pytest.fixture
def jobs(cluster: FakeCluster, tmp_path: Path) -> Iterator[FederatedJobs]:
    with serving(cluster, tmp_path) as connection:
        yield FederatedJobs(connection)


def complete(digest: str, uri: str = "pvc://trials/digits-coordinator-0b7c1a52/result", **spec: Any) -> dict[str, Any]:
    return AJob(**spec).running(round=2).complete().with_status(result={"uri": uri, "digest": digest}).body


def silent(text: str) -> None:
    del text


def test_the_result_in_the_coordinators_claim_is_downloaded_as_a_runs_folder(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    cluster.add("federatedjobs", complete(storage.digest))
    out = fetch(jobs, "digits", tmp_path / "runs/digits", silent)
    found = results.read(out)
    assert (found.complete, found.digest) == (True, DIGEST)
    assert found.files["keras"].read_bytes() == b"k" * 100_000
    assert [entry["round"] for entry in found.metrics] == [1, 2]
    assert json.loads((out / "job.json").read_bytes())["uid"] == UID
    assert sorted(path.name for path in out.iterdir()) == ["coordinator", "job.json", "result"]


def test_the_reader_pod_is_always_deleted(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.add("federatedjobs", complete(storage.digest))
    fetch(jobs, "digits", tmp_path / "out", silent)
    assert cluster.methods("pods")[-1] == "DELETE"

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(container_files, "copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(jobs, "digits", tmp_path / "other", silent)
    assert not [name for kind, name in cluster.objects if kind == "pods"]
    assert not (tmp_path / "other").exists()
    assert not list(tmp_path.glob(".other.*"))


def test_a_reader_pod_that_cannot_start_gives_the_reason(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    cluster.add("federatedjobs", complete(storage.digest))
    cluster.pod_starts = False
    with pytest.raises(FedjobsError, match="does not run: ErrImageNeverPull: no such image"):
        fetch(jobs, "digits", tmp_path / "out", silent)
    assert not [name for kind, name in cluster.objects if kind == "pods"]


def test_the_metrics_of_a_running_job_come_from_its_coordinator(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    (storage.result / "result.json").unlink()
    cluster.add("federatedjobs", AJob().running(round=2).body)
    cluster.add("pods", a_coordinator_pod())
    found = results.read(fetch(jobs, "digits", tmp_path / "out", silent))
    assert (found.complete, len(found.metrics)) == (False, 2)
    assert "POST" not in cluster.methods("pods")[1:-1]
    assert cluster.methods("pods/digits-coordinator-1-x/exec") == ["GET"]


def test_a_job_that_failed_without_its_coordinators_knowledge_is_failed_in_the_folder_too(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    (storage.result / "result.json").unlink()
    failed = (
        AJob().running(round=2).failed("DeadlineExceeded", "It had 60 s.").with_status(metrics={"train/loss": "nan"})
    )
    cluster.add("federatedjobs", failed.body)
    out = fetch(jobs, "digits", tmp_path / "out", silent)
    status = json.loads((out / "coordinator/status.json").read_text())
    assert (status["phase"], status["code"], status["message"]) == ("Failed", "DeadlineExceeded", "It had 60 s.")
    assert not results.read(out).complete


def test_only_the_results_files_are_downloaded_from_a_users_claim(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    (tmp_path / "output/models").mkdir(parents=True)
    storage.exported_to(tmp_path / "output/models")
    output = {"persistentVolumeClaim": {"claimName": "models", "path": "models"}}
    cluster.add("federatedjobs", complete(storage.digest, "pvc://trials/models/models", output=output))
    out = fetch(jobs, "digits", tmp_path / "out", silent)
    assert not (out / "result/of-others.bin").exists()
    assert results.read(out).files["keras"].exists()


def test_a_result_at_a_url_is_read_from_this_machine(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    (tmp_path / "bucket").mkdir()
    storage.exported_to(tmp_path / "bucket")
    cluster.add("federatedjobs", complete(storage.digest, f"file://{tmp_path / 'bucket'}"))
    (storage.result / "result.json").unlink()  # the copy in the claim is not used
    out = fetch(jobs, "digits", tmp_path / "out", silent)
    assert results.read(out).digest == DIGEST
    assert not (out / "result/of-others.bin").exists()


def test_without_access_to_a_url_the_jobs_own_files_are_downloaded(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    cluster.add("federatedjobs", complete(storage.digest, f"file://{tmp_path / 'nowhere'}"))
    said: list[str] = []
    assert results.read(fetch(jobs, "digits", tmp_path / "out", said.append)).complete
    assert any("Cannot read it from this machine" in text for text in said)


def test_another_result_than_the_statuss_is_refused_and_leaves_nothing(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    cluster.add("federatedjobs", complete(storage.digest))
    (storage.result / "model/model.keras").write_bytes(b"another one")
    with pytest.raises(FedjobsError, match="are not the result of this job") as caught:
        fetch(jobs, "digits", tmp_path / "out", silent)
    assert caught.value.code is ErrorCode.BLOB_CORRUPT
    assert not (tmp_path / "out").exists()


def test_a_corrupt_exported_file_is_named(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    (tmp_path / "output").mkdir()
    storage.exported_to(tmp_path / "output")
    (tmp_path / "output/model/model.keras").write_bytes(b"spoilt")
    output = {"persistentVolumeClaim": {"claimName": "models"}}
    cluster.add("federatedjobs", complete(storage.digest, "pvc://trials/models/", output=output))
    with pytest.raises(FedjobsError, match=r"model/model\.keras has 6 bytes instead of 100000"):
        fetch(jobs, "digits", tmp_path / "out", silent)


def test_a_broken_connection_is_an_error_and_leaves_no_partial_result(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    cluster.add("federatedjobs", complete(storage.digest))
    cluster.cut_after = 50_000
    with pytest.raises(FedjobsError) as caught:
        fetch(jobs, "digits", tmp_path / "out", silent)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert not (tmp_path / "out").exists()


def test_downloading_again_replaces_only_the_result_of_the_same_job(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path
) -> None:
    cluster.add("federatedjobs", complete(storage.digest))
    out = fetch(jobs, "digits", tmp_path / "out", silent)
    (out / "result/learning-curves.png").write_bytes(b"old")
    assert results.read(fetch(jobs, "digits", out, silent)).complete
    assert not (out / "result/learning-curves.png").exists()
    kept = json.loads((out / "job.json").read_text())
    (out / "job.json").write_text(json.dumps(kept | {"uid": "another"}))
    with pytest.raises(FedjobsError, match="has the run of another job"):
        fetch(jobs, "digits", out, silent)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("")
    with pytest.raises(FedjobsError, match="not the folder of a run"):
        fetch(jobs, "digits", tmp_path / "mine", silent)


def fedjobs(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_takes_a_jobs_name_if_there_is_no_such_folder(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(jobs.connection.target.kubeconfig))
    cluster.add("federatedjobs", complete(storage.digest))
    shown = fedjobs("result", "digits", "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["model"]["digest"] == DIGEST
    assert "The files of the job digits are in runs/digits." in shown.stderr
    assert fedjobs("result", "runs/digits", "--json").stdout == shown.stdout


def test_an_existing_folder_counts_unless_an_option_selects_a_job(
    jobs: FederatedJobs, cluster: FakeCluster, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(jobs.connection.target.kubeconfig))
    cluster.add("federatedjobs", complete(storage.digest))
    ARun(tmp_path / "digits").with_rounds(1)
    assert fedjobs("result", "digits", "--json").exit_code == Exit.FAILED  # the folder: its run is not complete
    assert fedjobs("result", "digits", "--json", "-n", "trials").exit_code == Exit.DONE


def test_the_error_says_that_a_missing_folder_was_looked_up_as_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert "There is no folder mine, so mine was looked up as a job" in fedjobs("result", "mine").stderr


@pytest.mark.parametrize("uri", ["pvc://", "pvc://trials", "pvc://trials/claim/../../etc"])
def test_an_invalid_location_is_refused(uri: str) -> None:
    with pytest.raises(FedjobsError):
        result_places.parse(uri)


def test_nothing_is_unpacked_outside_the_folder(tmp_path: Path) -> None:
    import io
    import tarfile

    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "in").mkdir()
    with pytest.raises(FedjobsError):
        container_files.unpack([content.getvalue()], tmp_path / "in")
    assert not (tmp_path / "outside").exists()
