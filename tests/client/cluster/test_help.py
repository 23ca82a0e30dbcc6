from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from fedjobs.cli import app, main
from typer.testing import CliRunner

COMMANDS = ["submit", "list", "watch", "logs", "suspend", "resume", "cancel", "result"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_kubectls_options_and_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    for text in ("--namespace", "-n", "--context", "--kubeconfig", "Example: fedjobs"):
        assert text in shown.output


def test_help_of_commands_for_a_cluster_imports_no_client_of_kubernetes() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from fedjobs.cli import app\n"
        "assert not CliRunner().invoke(app, ['watch', '--help']).exit_code; print(*sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"kubernetes", "urllib3", "yaml", "tensorflow", "rich.live"} & set(found.stdout.split())


def test_as_a_plugin_of_kubectl_the_usage_shows_kubectl(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    importlib.import_module("fedjobs_worker.data.datasets")  # as another test may have: this process must not end
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-fedjobs", "watch", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "Usage: kubectl fedjobs watch [OPTIONS]" in capsys.readouterr().out
