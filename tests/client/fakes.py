"""Fakes for the processes of a run: they have the same command lines and exit codes, and do nothing else.

The fakes are packages with the same names, and PYTHONPATH puts them before the real ones. The file `script.json` next
to the coordinator's folder says what each of its starts does: a list of exit codes, or "wait" to run until SIGTERM.
"""

import json
import textwrap
from pathlib import Path

_COORDINATOR = """
    import argparse, json, signal, sys
    from pathlib import Path

    parser = argparse.ArgumentParser()
    for name in ("job", "dir", "listen", "result", "processes"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--lifeline", action="store_true", required=True)
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args()
    folder = Path(options.dir)
    assert (folder / "tls/tls.key").exists()
    job = json.loads(Path(options.job).read_text())
    starts = folder / "starts"
    number = int(starts.read_text()) if starts.exists() else 0
    starts.write_text(str(number + 1))
    action = json.loads((folder.parent / "script.json").read_text())[number]


    def say(phase, message="", code=""):
        status = {"jobUid": job["uid"], "jobName": job["name"], "phase": phase, "generation": number + 1,
                  "round": number, "message": message, "code": code}
        (folder / "status.new").write_text(json.dumps(status))
        (folder / "status.new").rename(folder / "status.json")
        with (folder / "progress.jsonl").open("a") as log:
            log.write(json.dumps({"event": "phase", "time": number, "phase": phase, "message": message}) + "\\n")


    def suspend(*_):
        say("Suspended")
        sys.exit(75)


    signal.signal(signal.SIGTERM, suspend)
    say("Running")
    (folder / "listen").write_text(options.listen)
    if action == "wait":
        sys.stdin.read()
    if action == 0:
        Path(options.result).mkdir(exist_ok=True)
        (Path(options.result) / "result.json").write_text("{}")
        say("Complete")
    if action == 1:
        say("Failed", "the model does not fit", "SchemaMismatch")
    if action == 4:
        print("Port 7 of 127.0.0.1 is in use.", file=sys.stderr)
    sys.exit(action)
"""
_WORKER = """
    import argparse, json, sys
    from pathlib import Path

    parser = argparse.ArgumentParser()
    names = (
        "silo-file", "invitation", "sampling-secret", "tls", "state", "runner-socket", "processes", "audit", "pending",
        "approvals",
    )  # fmt: skip
    for name in names:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--lifeline", action="store_true", required=True)
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args()
    state = Path(options.state)
    (state / "socket").write_text(options.runner_socket)
    starts = state / "starts"  # last: tests wait for it
    starts.write_text(str(int(starts.read_text()) + 1 if starts.exists() else 1))
    sys.stdin.read()
"""
_RUNNER = """
    import argparse, sys
    from pathlib import Path

    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--processes", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--lifeline", action="store_true", required=True)
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args()
    Path(options.listen).write_text(str(options.threads))
    sys.stdin.read()
"""


def write(folder: Path) -> None:
    """Writes the fake packages, for PYTHONPATH."""
    sources = {
        "fedjobs_coordinator/__init__.py": "",
        "fedjobs_coordinator/__main__.py": _COORDINATOR,
        "fedjobs_worker/__init__.py": "",
        "fedjobs_worker/__main__.py": _WORKER,
        "fedjobs_worker/runner.py": _RUNNER,
    }
    for name, source in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))


def script(run: Path, *actions: int | str) -> None:
    """Sets what the coordinator of a run does at its first start, its second, and so on."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "script.json").write_text(json.dumps(actions))
