"""The commands with a real API server. The tests write the status that an operator would write."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fedjobs.cli import app
from fedjobs.exits import Exit
from typer.testing import CliRunner

from tests.api.jobs import a_job, a_job_with
from tests.client.cluster.conftest import Person
from tests.client.cluster.jobs_on_a_cluster import DIGEST, condition

pytestmark = pytest.mark.api_server
RESULT = {"uri": "pvc://trials/digits-coordinator-0b7c1a52/result", "digest": DIGEST}


def test_a_submitted_job_is_on_the_cluster(admin: Person) -> None:
    shown = admin.run("submit", admin.file())
    assert shown.exit_code == Exit.DONE, shown.output
    assert f"The job digits is submitted in namespace {admin.namespace}." in shown.output
    assert f"fedjobs watch digits --kubeconfig {admin.kubeconfig} --namespace {admin.namespace}" in shown.output
    assert admin.sees()["spec"]["program"] == a_job()["spec"]["program"]


def test_submitting_the_same_job_again_changes_nothing(admin: Person) -> None:
    admin.has_submitted()
    before = admin.sees()
    shown = admin.run("submit", admin.file())
    assert (shown.exit_code, "exists already, unchanged," in shown.output) == (Exit.DONE, True)
    assert admin.sees() == before


def test_another_job_of_the_same_name_is_refused_with_its_differences(admin: Person) -> None:
    admin.has_submitted()
    shown = admin.run("submit", admin.file(a_job_with("spec.program.parameters.rounds", 30)))
    assert shown.exit_code == Exit.INVALID_FILE
    assert "spec.program.parameters.rounds is 20 in the existing job and 30 in the given one" in shown.stderr
    assert "--name" in shown.stderr
    assert admin.run("submit", admin.file(), "--name", "digits-2").exit_code == Exit.DONE
    assert admin.sees("digits-2")["metadata"]["name"] == "digits-2"


def test_a_file_is_validated_before_it_is_sent(admin: Person) -> None:
    shown = admin.run("submit", admin.file(a_job_with("spec.cohort.minSilo", 3)))
    assert shown.exit_code == Exit.INVALID_FILE
    assert "spec.cohort.minSilo is not a known field" in shown.stderr


def test_a_path_on_this_machine_is_refused_for_a_cluster(admin: Person) -> None:
    document = a_job(program={"entrypoint": "churn:main", "source": {"path": "src"}})
    shown = admin.run("submit", admin.file(document))
    assert shown.exit_code == Exit.INVALID_FILE
    assert "spec.program.source.path is a path on this machine" in shown.stderr


def test_a_namespace_in_the_file_that_contradicts_the_option_is_refused(admin: Person) -> None:
    document = a_job()
    document["metadata"]["namespace"] = "elsewhere"
    shown = admin.run("submit", admin.file(document))
    assert shown.exit_code == Exit.INVALID_FILE
    assert "'elsewhere'" in shown.stderr


def test_the_namespace_of_the_file_counts_without_an_option(admin: Person) -> None:
    document = a_job()
    document["metadata"]["namespace"] = admin.namespace
    shown = CliRunner().invoke(app, ["submit", str(admin.file(document)), "--kubeconfig", str(admin.kubeconfig)])
    assert shown.exit_code == Exit.DONE, shown.output
    assert f"--namespace {admin.namespace}" in shown.output
    assert admin.sees()


def test_a_refusal_by_the_cluster_is_reported_with_field_and_remedy(admin: Person) -> None:
    name = "a" * 41  # one character more than the API server accepts
    document = a_job()
    document["metadata"]["name"] = name
    shown = admin.run("submit", admin.file(document))
    assert shown.exit_code == Exit.INVALID_FILE
    assert "40" in shown.stderr
    assert "Traceback" not in shown.output


def test_a_missing_namespace_is_reported(admin: Person) -> None:
    stranger = Person(admin.server, admin.kubeconfig, "nowhere-at-all", admin.folder)
    shown = stranger.run("submit", stranger.file())
    assert shown.exit_code == Exit.INVALID_FILE
    assert "there is no namespace 'nowhere-at-all'" in shown.stderr


def test_a_missing_permission_is_named(somebody: Callable[[str], Person]) -> None:
    alice = somebody("alice")
    for words in (["submit", alice.file()], ["list"], ["watch", "digits"], ["suspend", "digits"]):
        shown = alice.run(*words)
        assert shown.exit_code == Exit.ENVIRONMENT
        assert 'User "alice" cannot' in shown.stderr
        assert "Traceback" not in shown.output


def test_an_unreachable_api_server_causes_no_stack_trace(admin: Person, tmp_path: Path) -> None:
    config = yaml.safe_load(admin.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "gone").write_text(yaml.safe_dump(config))
    shown = Person(admin.server, tmp_path / "gone", "default", tmp_path).run("list")
    assert shown.exit_code == Exit.ENVIRONMENT
    assert "the API server does not answer" in shown.stderr
    assert "refused" in shown.stderr


def test_list_shows_what_the_operator_wrote(admin: Person) -> None:
    admin.has_submitted("digits")
    admin.has_submitted("tumours")
    admin.operator_writes(
        "digits", phase="Running", completedRounds=3, totalRounds=20, readySilos=3, totalSilos=4, restarts=1
    )
    shown = admin.run("list").output
    assert [line.split()[:5] for line in shown.splitlines() if "/20" in line] == [
        ["digits", "Running", "3/20", "3/4", "1"]
    ]
    listed = json.loads(admin.run("list", "--json").stdout)
    assert [(job["name"], job["phase"], job["completedRounds"]) for job in listed] == [
        ("digits", "Running", 3),
        ("tumours", "", 0),
    ]
    everywhere = json.loads(admin.run("list", "--json", "--all-namespaces").stdout)
    assert {job["namespace"] for job in everywhere} >= {admin.namespace}


def test_a_namespace_without_jobs_says_so(admin: Person) -> None:
    assert f"There are no jobs in namespace {admin.namespace}." in admin.run("list").output


@pytest.mark.parametrize("command", ["watch", "logs", "suspend", "resume", "cancel --yes", "result"])
def test_an_unknown_name_suggests_the_closest(admin: Person, command: str) -> None:
    admin.has_submitted("digits")
    shown = admin.run(*command.split(), "digit")
    assert shown.exit_code == Exit.INVALID_FILE
    assert f"There is no job 'digit' in namespace '{admin.namespace}'." in shown.stderr
    assert "Did you mean digits?" in shown.stderr


def test_watch_of_a_complete_job_ends_with_0_and_suggests_the_next_command(admin: Person) -> None:
    admin.has_submitted()
    done = condition("Complete", "True", "Exported")
    admin.operator_writes(phase="Complete", completedRounds=20, totalRounds=20, result=RESULT, conditions=[done])
    shown = admin.run("watch", "digits")
    assert shown.exit_code == Exit.DONE
    assert "round 20/20" in shown.output
    assert "fedjobs result digits" in shown.output


def test_watch_of_a_failed_job_ends_with_1_and_its_reason(admin: Person) -> None:
    admin.has_submitted()
    failed = condition("Failed", "True", "DeadlineExceeded", "It had 60 s.")
    admin.operator_writes(phase="Failed", conditions=[failed])
    shown = admin.run("watch", "digits")
    assert shown.exit_code == Exit.FAILED
    assert "The job digits failed (DeadlineExceeded): It had 60 s." in shown.stderr


def test_submit_and_watch_follows_the_job_to_its_end(admin: Person) -> None:
    def operator() -> None:
        jobs = admin.jobs()
        while not jobs.all():
            pass
        admin.operator_writes(
            phase="Running", completedRounds=1, totalRounds=2, silos=[{"name": "hospital-a", "state": "Working"}]
        )
        admin.operator_writes(phase="Running", completedRounds=2, totalRounds=2)
        admin.operator_writes(phase="Complete", conditions=[condition("Complete", "True")])

    other = threading.Thread(target=operator)
    other.start()
    shown = admin.run("submit", admin.file(), "--watch")
    other.join()
    assert shown.exit_code == Exit.DONE, shown.output
    assert "silo hospital-a: Working" in shown.output
    assert "round 2/2" in shown.output


def test_wait_is_silent(admin: Person) -> None:
    admin.has_submitted()
    admin.operator_writes(phase="Complete", completedRounds=2, conditions=[condition("Complete", "True")])
    shown = admin.run("submit", admin.file(), "--wait")
    assert shown.exit_code == Exit.DONE
    assert "round" not in shown.output
    assert "The job digits is complete." in shown.output


def test_a_job_that_is_deleted_while_it_is_watched_ends_the_watch(admin: Person) -> None:
    admin.has_submitted()
    timer = threading.Timer(0.5, lambda: admin.server.kubectl("delete", "fj", "digits", "-n", admin.namespace))
    timer.start()
    shown = admin.run("watch", "digits")
    timer.join()
    assert (shown.exit_code, "The job digits was deleted." in shown.stderr) == (Exit.FAILED, True)


def test_suspend_and_resume_change_the_spec_and_say_what_happens(admin: Person) -> None:
    admin.has_submitted()
    admin.operator_writes(phase="Running", completedRounds=7)
    shown = admin.run("suspend", "digits")
    assert shown.exit_code == Exit.DONE, shown.output
    assert "is being suspended after round 7" in shown.output
    assert admin.sees()["spec"]["suspend"] is True
    assert "is already suspended" in admin.run("suspend", "digits").output
    assert "continues with round 8" in admin.run("resume", "digits").output
    assert admin.sees()["spec"]["suspend"] is False
    assert "is not suspended: it is Running" in admin.run("resume", "digits").output


def test_a_job_that_has_ended_is_not_suspended(admin: Person) -> None:
    admin.has_submitted()
    admin.operator_writes(phase="Complete", conditions=[condition("Complete", "True")])
    shown = admin.run("suspend", "digits")
    assert (shown.exit_code, "cannot be suspended: it is Complete." in shown.stderr) == (Exit.INVALID_FILE, True)


def test_cancel_asks_first(admin: Person) -> None:
    admin.has_submitted()
    shown = admin.run("cancel", "digits")  # without a terminal
    assert (shown.exit_code, "--yes" in shown.stderr) == (Exit.USAGE, True)
    assert admin.sees()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "is kept. Delete it with: kubectl delete pvc digits-coordinator-"),
        (
            {"output": {"uri": "s3://models/digits"}},
            "Its result is kept in s3://models/digits. Its PersistentVolumeClaim",
        ),
        (
            {"output": {"uri": "s3://models/digits"}, "coordinator": {"storage": {"whenDeleted": "Retain"}}},
            "Its result is kept in s3://models/digits. Its PersistentVolumeClaim",
        ),
        ({"coordinator": {"storage": {"whenDeleted": "Delete"}}}, "with all checkpoints, is deleted too."),
    ],
)
def test_cancel_deletes_the_job_and_says_what_is_kept(admin: Person, spec: dict[str, object], said: str) -> None:
    admin.has_submitted(**spec)
    uri = "s3://models/digits" if "output" in spec else RESULT["uri"]
    admin.operator_writes(result={**RESULT, "uri": uri})
    shown = admin.run("cancel", "digits", "--yes")
    assert shown.exit_code == Exit.DONE, shown.output
    assert said in shown.output
    assert not admin.jobs().all()


def test_cancel_says_that_the_storage_of_a_job_without_a_result_is_kept(admin: Person) -> None:
    admin.has_submitted(output={"uri": "s3://models/digits"})
    assert "is kept. Delete it with: kubectl delete pvc" in admin.run("cancel", "digits", "--yes").output


def test_a_job_without_a_coordinator_has_no_log(admin: Person) -> None:
    admin.has_submitted()
    admin.operator_writes(
        phase="Pending", conditions=[condition("Accepted", "False", "UnknownDataset", "no silo offers it")]
    )
    for command in (["logs"], ["result", "--out", admin.folder / "out"]):
        shown = admin.run(*command, "digits")
        assert shown.exit_code == Exit.INVALID_FILE
        assert "no coordinator pod: it is Pending (UnknownDataset: no silo offers it)." in shown.stderr


def test_without_fedjobs_on_the_cluster_the_error_says_how_to_install_it(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "fedjobs.cluster.federated_jobs._KIND", {"group": "fedjobs.dev", "version": "v0", "plural": "x"}
    )
    for words in (["submit", admin.file()], ["list"], ["watch", "digits"]):
        shown = admin.run(*words)
        assert shown.exit_code == Exit.ENVIRONMENT
        assert "fedjobs is not installed on this cluster" in shown.stderr
        assert "helm install" in shown.stderr


def test_kubeconfig_of_the_environment_is_used(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{os.devnull}:{admin.kubeconfig}")
    shown = CliRunner().invoke(app, ["list", "-n", admin.namespace])
    assert shown.exit_code == Exit.DONE, shown.output
