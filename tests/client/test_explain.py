"""`fedjobs explain` as a separate process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from fedjobs.exits import Exit
from fedjobs_common import digests

from tests.api.jobs import a_job

pytestmark = pytest.mark.processes

FEDJOBS = Path(sys.executable).with_name("fedjobs")
DATA = {"digits": {"source": {"csv": {"path": "none.csv"}}, "features": {"columns": ["p0"]}}}
SILOS = [
    {"silo": "hospital-a", "datasets": DATA},
    {"silo": "hospital-b", "datasets": DATA, "policy": {"requesters": ["bob@example.org"], "minClients": 5}},
    {"silo": "hospital-c", "datasets": DATA, "policy": {"computations": {"operations": {"deny": ["MatMul"]}}}},
    {"silo": "hospital-d", "datasets": DATA, "policy": {"minCohortSize": 2, "computations": {"approval": "Manual"}}},
]


def explain(*words: object) -> subprocess.CompletedProcess[str]:
    command = [str(word) for word in (FEDJOBS, "explain", *words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


@dataclass(frozen=True)
class Explained:
    lines: list[str]
    silos: Path
    saved: list[Path]
    picture: Path

    def after(self, line: str, number: int) -> list[str]:
        start = self.lines.index(line) + 1
        return self.lines[start : start + number]

    def about(self, silo: str) -> list[str]:
        return [line for line in self.lines if line.startswith(f"  silo {silo} ")]


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Explained:
    folder = tmp_path_factory.mktemp("explain")
    job = a_job(requestedBy="alice@example.org", silos={"names": [silo["silo"] for silo in SILOS]})
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    silos = folder / "silos.yaml"
    silos.write_text(yaml.safe_dump_all(SILOS))
    done = explain(folder / "job.yaml", "--silos", silos, "--save", folder / "shards", "--picture", folder / "p.svg")
    assert (done.returncode, done.stderr) == (Exit.DONE, "")
    return Explained(done.stdout.splitlines(), silos, sorted((folder / "shards").iterdir()), folder / "p.svg")


def test_it_names_the_requester_and_the_silos_that_take_part(explained: Explained) -> None:
    assert explained.lines[:3] == [
        "job digits",
        "  requested by alice@example.org",
        "  datasets: digits; at most 20 rounds; at least 4 silos in each round",
    ]
    assert explained.about("hospital-a")[0] == "  silo hospital-a takes part"
    assert explained.about("hospital-b")[0].startswith(
        "  silo hospital-b declines: policy.requesters: The job is requested by 'alice@example.org'"
    )


def test_each_part_of_a_policy_is_printed_once(explained: Explained) -> None:
    assert explained.lines.count("    enforced by the silo:") == len(SILOS)
    assert "      requested by bob@example.org" in explained.lines
    assert "      at least 5 local clients in each accumulator" in explained.lines
    assert "      at least 2 silos in a round" in explained.lines


def test_it_describes_inputs_operations_outputs_and_the_silos_decisions(explained: Explained) -> None:
    (saved,) = explained.saved
    digest = digests.digest(saved.read_bytes())
    assert saved.name == f"{digest}.shard"
    assert any(line.startswith(f"computation {digest}") for line in explained.lines)
    assert any(line.startswith("  receives: ") for line in explained.lines)
    assert "  reads digits: for each local client" in explained.lines
    assert any(
        line.startswith("  sends: ") and "accumulated over the local clients" in line for line in explained.lines
    )
    assert explained.about("hospital-a")[1] == "  silo hospital-a allows it"
    assert "refuses it: policy.computations.operations: The computation uses MatMul" in explained.about("hospital-c")[1]
    assert explained.about("hospital-d")[1] == "  silo hospital-d requires approval first"


def test_it_shows_the_graph_and_what_reaches_the_outputs_of_training_without_a_warning(explained: Explained) -> None:
    text = "\n".join(explained.lines)
    assert "  data flow: which inputs can reach which output" in explained.lines
    assert "    sums over records, or counts of records:" in text
    assert "    program work (work on one client)" in explained.lines
    assert "lines are not shown. Show all with --whole-graph." in text
    assert "WARNING" not in text
    assert explained.picture.read_text().startswith("<svg ")


def test_a_saved_shard_has_the_same_explanation(explained: Explained) -> None:
    (saved,) = explained.saved
    done = explain(saved, "--silos", explained.silos, "--whole-graph")
    assert "--whole-graph" not in done.stdout
    assert "    program accumulate (accumulate over the clients)" in done.stdout
    assert (done.returncode, done.stderr) == (Exit.DONE, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"computation {saved.stem}"
    assert "  silo hospital-d requires approval first" in lines
    assert "      at least 2 silos in a round" in lines
    assert "  runs: " in done.stdout
    assert [line for line in lines if line.startswith("  sends: ")] == [
        line for line in explained.lines if line.startswith("  sends: ")
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.yaml", None, "none.yaml"),
        ("none.shard", None, "none.shard cannot be read: No such file or directory."),
        ("x.shard", "no shard", "x.shard is not a shard that a silo runs: "),
        ("job.yaml", "kind: FederatedJob", "apiVersion"),
    ],
    ids=["no job", "no shard", "not a shard", "not a job"],
)
def test_an_invalid_input_is_reported_in_one_sentence(
    tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    done = explain(tmp_path / name)
    assert done.returncode == Exit.INVALID_FILE
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
