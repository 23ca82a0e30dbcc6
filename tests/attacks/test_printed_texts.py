"""Whatever others choose, the commands print no control character, and no line that fedjobs did not write.

Job owners, coordinators, hubs and silos choose these texts. Each test gives hostile texts to one place that prints.
"""

from __future__ import annotations

import datetime
import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from fedjobs import process_list, result_tables, tables
from fedjobs.cli import app
from fedjobs.cluster import job_list, log_lines
from fedjobs.exits import show
from fedjobs.results import RunResult
from fedjobs.silos import silo_list
from fedjobs_common.digests import digest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.statuses import Phase, PhaseEvent, ProgressEvent, SiloEvent, SiloState, SiloStatus
from fedjobs_common.processes import ProcessInfo
from fedjobs_worker.consent.audit_chains import AuditChain
from fedjobs_worker.consent.pending import Pending, PendingFolder
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from tests.client.run_folders import ARun, a_round, a_status

EVIL = "x\nFORGED\r\x1b[2J\x1b]0;t\x07\x9b31m\x00\u202e\u2066\u200b\u2028FORGED\x85\x0bFORGED"
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=()), max_size=40) | st.just(EVIL)
NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
SHARD = digest(b"shard")


def check(printed: str) -> None:
    assert printed
    for line in printed.split("\n"):
        assert not line.lstrip().startswith("FORGED")
        bad = [c for c in line if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")]
        assert not bad, repr(line)


def rendered(what: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=1000, force_terminal=False)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.output


def events(text: str) -> list[ProgressEvent]:
    return [
        PhaseEvent(time=1e9, phase=Phase.FAILED, message=text),
        SiloEvent(time=1e9, silo=text, state=SiloState.DECLINED, reason=text, message=text),
        a_round(1, silos=[text], metrics={text: 1.0}),
    ]


@settings(deadline=None, max_examples=30)
@given(ANY_TEXT)
def test_the_table_and_the_lines_of_a_run(text: str) -> None:
    silo = SiloStatus(name=text, state=SiloState.REFUSED, reason=text, activity=text, device=text)
    status = a_status(job_name=text, message=text, silos=[silo])
    for transfers in (True, False):
        notes = [tables.line(event, transfers=transfers) for event in events(text)]
        for note in notes:
            check(note)
        check(rendered(tables.drawn(status, [a_round(1, metrics={text: 1.0})], notes, transfers=transfers)))
    console = Console(file=io.StringIO(), width=80)
    with tables.Lines(console) as view:
        for event in events(text):
            view.event(event)
    check(console.file.getvalue())  # type: ignore[attr-defined]


@settings(deadline=None, max_examples=30)
@given(ANY_TEXT)
def test_the_tables_of_silos_jobs_processes_and_results(text: str) -> None:
    a_silo: silo_list.ListedSilo = {
        "name": text, "state": text, "reason": text, "lastHeartbeatTime": None, "certificateExpirationTime": None,
        "datasets": [text, text], "gpus": 1, "versions": {"fedjobs": text},
    }  # fmt: skip
    check(rendered(silo_list.drawn([a_silo], now=NOW)))
    a_job: job_list.ListedJob = {
        "namespace": text, "name": text, "phase": text, "completedRounds": 0, "totalRounds": None, "readySilos": None,
        "totalSilos": None,
        "restarts": 0, "created": "2029-01-01T00:00:00+00:00",
    }  # fmt: skip
    check(rendered(job_list.drawn([a_job], namespaces=True, now=NOW)))
    check(rendered(process_list.drawn([ProcessInfo(role="worker", pid=1, silo=text, state="running", started=1.0)])))


@settings(deadline=None, max_examples=30)
@given(ANY_TEXT)
def test_lines_of_a_log(text: str) -> None:
    check(log_lines.readable(text) or "-")
    entry = {"event": text, "level": text, "timestamp": text, "error": text, "x" + text: [text], "exception": text}
    shown = log_lines.readable(json.dumps(entry))
    for line in shown.split("\n")[1:]:
        assert line.startswith("    ")  # a stack trace
    check(shown.replace("\n    ", " "))


@settings(deadline=None, max_examples=30)
@given(ANY_TEXT)
def test_errors(text: str) -> None:
    import contextlib

    shown = io.StringIO()
    with contextlib.redirect_stderr(shown):
        show(FedjobsError(ErrorCode.SHARD_FAILED, text.replace("\n", " "), text.replace("\n", " ")))
    check(shown.getvalue())


@pytest.fixture
def pending(tmp_path: Path) -> Path:
    waiting: dict[str, Any] = {
        "digest": SHARD, "silo": EVIL, "jobUid": EVIL, "jobName": EVIL, "requestedBy": EVIL, "label": EVIL,
        "since": 1.0, "until": 2e9, "explanation": "line 1\nline 2 \x1b[2J\u202e\r\n",
        "graph": [EVIL], "scope": {"computation": SHARD, "inputs": [{"name": EVIL, "dataset": EVIL}]},
    }  # fmt: skip
    PendingFolder(tmp_path / "pending").put(Pending.model_validate(waiting))
    return tmp_path


def test_pending_computations(pending: Path) -> None:
    shown = run("silo", "pending", "--dir", pending)
    check(shown)
    assert len(shown.splitlines()) == 2
    for command in ("pending", "approve", "deny"):
        explained = run("silo", command, SHARD, "--dir", pending)
        check(explained)
        assert explained.startswith("line 1\nline 2 \\x1b[2J\\u202e\\r\n")
    graph = run("silo", "pending", SHARD, "--dir", pending, "--whole-graph")
    check(graph)
    check(run("silo", "pending", "--dir", pending, "--json"))


def test_a_pending_computation_with_an_impossible_deadline(pending: Path) -> None:
    (path,) = (pending / "pending").glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"until": 1e300}))
    check(run("silo", "pending", "--dir", pending))


def test_the_audit_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    chain = AuditChain(path)
    times: list[Any] = [1.0, 1e300, float("nan"), -1, "1", None, [EVIL], True]
    for time in times:
        chain.append({"time": time, "job": EVIL, "subject": EVIL, "decision": EVIL, EVIL: EVIL, "datasets": [EVIL]})
    with path.open("ab") as log:
        log.write(b"[" * 5000 + b"\n\xff\n[]\n")
    shown = run("silo", "audit", path)
    check(shown)
    assert len(shown.splitlines()) == len(times) + 3
    check(run("silo", "audit", path, "--json"))
    check(run("silo", "audit", path, "--verify"))
    check(run("silo", "audit", path, "--verify", "--anchor", EVIL.replace("\x00", "")))


def test_the_end_of_a_job_without_a_result(tmp_path: Path) -> None:
    ARun(tmp_path / "run").with_status(phase=Phase.FAILED, code=EVIL, message=EVIL)
    shown = run("result", tmp_path / "run", "--no-plot")
    check(shown)


def test_the_metrics_of_a_result() -> None:
    names = {f"evaluation/{EVIL}": 1.0, f"evaluation/silo/{EVIL}/{EVIL}": 1.0, "round": 1.0}
    found = RunResult.__new__(RunResult)
    object.__setattr__(found, "metrics", [names])
    check(rendered(result_tables._by_round([names], [f"evaluation/{EVIL}"])))
    check(rendered(result_tables._by_silo({EVIL: {EVIL: 1.0}})))
