"""`fedjobs silo ...` with a real hub."""

from __future__ import annotations

import json

import pytest
from fedjobs.cli import app
from fedjobs.exits import Exit
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.identities import keys
from typer.testing import CliRunner, Result

from tests.hub.hubs import Federation


def run_command(federation: Federation, *words: str) -> Result:
    where = ["--kubeconfig", str(federation.server.kubeconfig)]
    if words[0] == "invite":
        where += ["--hub-namespace", federation.namespace]
    return CliRunner().invoke(app, ["silo", *words, *where])


def test_invite_prints_the_command_that_installs_the_silo(federation: Federation) -> None:
    shown = run_command(federation, "invite", "hospital-x", "--label", "network=eu")
    assert shown.exit_code == Exit.DONE, shown.output
    [command] = shown.stdout.splitlines()
    assert command == federation.invitation("hospital-x")["command"]
    assert federation.get("silo", "hospital-x")["metadata"]["labels"] == {"network": "eu"}
    again = run_command(federation, "invite", "hospital-x")
    assert again.stdout.splitlines() == [command]  # the same command until the token is used


def test_an_enrolled_silo_is_invited_again_only_with_the_option(federation: Federation) -> None:
    federation.enrolled("hospital-y")
    shown = run_command(federation, "invite", "hospital-y")
    assert shown.exit_code == Exit.INVALID_FILE
    assert "fedjobs silo invite hospital-y --again" in shown.stderr
    found = json.loads(run_command(federation, "invite", "hospital-y", "--again", "--json").stdout)
    with federation.enrolment() as client:
        secret = silo_tokens.decoded(found["token"]).secret
        assert client.enrol("hospital-y", secret, keys.create()).expires


def test_silos_are_listed_suspended_resumed_and_removed(federation: Federation) -> None:
    federation.enrolled("hospital-z")

    def state() -> str:
        found = json.loads(run_command(federation, "list", "--json").stdout)
        return next((each["state"] for each in found if each["name"] == "hospital-z"), "gone")

    federation.wait_for("hospital-z", "Enrolled", "True", "Enrolled")
    assert state() == "silent"
    assert run_command(federation, "suspend", "hospital-z").exit_code == Exit.DONE
    assert state() == "suspended"
    assert "hospital-z" in run_command(federation, "list").stdout
    assert run_command(federation, "resume", "hospital-z").exit_code == Exit.DONE
    assert state() == "silent"
    assert run_command(federation, "remove", "hospital-z", "--yes").exit_code == Exit.DONE
    assert state() == "gone"


@pytest.mark.parametrize("command", ["suspend", "resume", "remove"])
def test_an_unknown_silo_is_an_error_with_the_closest_name(federation: Federation, command: str) -> None:
    federation.silo("hospital-w")
    shown = run_command(federation, command, "hospital-v")
    assert shown.exit_code == Exit.INVALID_FILE
    assert "There is no silo 'hospital-v'." in shown.stderr
    assert "hospital-w" in shown.stderr


def test_an_invalid_label_is_an_error(federation: Federation) -> None:
    shown = run_command(federation, "invite", "hospital-u", "--label", "eu")
    assert (shown.exit_code, "'eu' is not of the form KEY=VALUE" in shown.stderr) == (Exit.INVALID_FILE, True)
