"""`fedjobs silo ...` against a real hub."""

from __future__ import annotations

import json

import pytest
from fedjobs.cli import app
from fedjobs.exits import Exit
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.identities import keys
from typer.testing import CliRunner, Result

from tests.hub.hubs import Federation


def types(federation: Federation, *words: str) -> Result:
    where = ["--kubeconfig", str(federation.server.kubeconfig)]
    if words[0] == "invite":
        where += ["--hub-namespace", federation.namespace]
    return CliRunner().invoke(app, ["silo", *words, *where])


def test_an_invited_silo_is_installed_with_the_line_that_is_printed(federation: Federation) -> None:
    shown = types(federation, "invite", "hospital-x", "--label", "network=eu")
    assert shown.exit_code == Exit.DONE, shown.output
    [command] = shown.stdout.splitlines()
    assert command == federation.invitation("hospital-x")["command"]
    assert federation.get("silo", "hospital-x")["metadata"]["labels"] == {"network": "eu"}
    again = types(federation, "invite", "hospital-x")
    assert again.stdout.splitlines() == [command]  # the same, as long as nobody has used it


def test_an_enrolled_silo_is_invited_again_only_when_that_is_said(federation: Federation) -> None:
    federation.enrolled("hospital-y")
    shown = types(federation, "invite", "hospital-y")
    assert shown.exit_code == Exit.INVALID_FILE
    assert "fedjobs silo invite hospital-y --again" in shown.stderr
    found = json.loads(types(federation, "invite", "hospital-y", "--again", "--json").stdout)
    with federation.enrolment() as client:
        secret = silo_tokens.decoded(found["token"]).secret
        assert client.enrol("hospital-y", secret, keys.create()).expires


def test_silos_are_listed_suspended_resumed_and_removed(federation: Federation) -> None:
    federation.enrolled("hospital-z")

    def state() -> str:
        found = json.loads(types(federation, "list", "--json").stdout)
        return next((each["state"] for each in found if each["name"] == "hospital-z"), "gone")

    federation.wait_for("hospital-z", "Enrolled", "True", "Enrolled")
    assert state() == "silent"
    assert types(federation, "suspend", "hospital-z").exit_code == Exit.DONE
    assert state() == "suspended"
    assert "hospital-z" in types(federation, "list").stdout
    assert types(federation, "resume", "hospital-z").exit_code == Exit.DONE
    assert state() == "silent"
    assert types(federation, "remove", "hospital-z", "--yes").exit_code == Exit.DONE
    assert state() == "gone"


@pytest.mark.parametrize("command", ["suspend", "resume", "remove"])
def test_a_silo_that_is_not_there_is_an_error_with_the_closest_name(federation: Federation, command: str) -> None:
    federation.silo("hospital-w")
    shown = types(federation, command, "hospital-v")
    assert shown.exit_code == Exit.INVALID_FILE
    assert "There is no silo 'hospital-v'." in shown.stderr
    assert "hospital-w" in shown.stderr


def test_a_label_that_is_none_is_an_error(federation: Federation) -> None:
    shown = types(federation, "invite", "hospital-u", "--label", "eu")
    assert (shown.exit_code, "'eu' is not of the form KEY=VALUE" in shown.stderr) == (Exit.INVALID_FILE, True)
