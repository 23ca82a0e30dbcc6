"""A machine that cannot isolate runners runs a silo only if its owner trusts the owners of all jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs_agent import platforms
from fedjobs_agent.config import AgentConfig
from fedjobs_agent.workers import isolation_check
from fedjobs_common.errors import FedjobsError
from fedjobs_worker.runner.sandbox.facts import Fact
from structlog.testing import capture_logs

from tests.agent.builders import SILO


def test_a_machine_without_isolation_is_refused_unless_job_owners_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = frozenset({Fact.SECCOMP})
    monkeypatch.setattr(isolation_check, "found", lambda: facts)
    monkeypatch.setattr(isolation_check.check, "__kwdefaults__", {"find": lambda: facts})
    config = AgentConfig(silo=SILO, image="i")
    with pytest.raises(FedjobsError, match="cannot isolate") as caught:
        platforms.of_machine(config, tmp_path / "refused")
    assert "It has: seccomp." in caught.value.public
    assert "--trust-job-owners" in caught.value.public
    for start in ("first", "second"):
        with capture_logs() as lines:
            platforms.of_machine(config, tmp_path / start, trusts_job_owners=True).close()
        assert [line["log_level"] for line in lines] == ["warning"]
        assert "NOT isolated" in lines[0]["event"]


def test_an_isolated_machine_has_no_warning() -> None:
    with capture_logs() as lines:
        isolation_check.check(trusts_job_owners=False, find=lambda: {Fact.SECCOMP, Fact.LANDLOCK})
    assert [(line["log_level"], line["facts"]) for line in lines] == [("info", ["landlock", "seccomp"])]


@pytest.mark.processes
def test_this_machine_isolates_runners() -> None:
    if not Path("/proc/self/ns/user").exists():
        pytest.skip("needs a kernel with user namespaces")
    assert isolation_check.found() == {Fact.SECCOMP, Fact.NAMESPACES, Fact.LANDLOCK}
