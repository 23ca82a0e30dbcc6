"""The example, from `kubectl apply` to the model on one's own machine."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.federations import DIGITS, SILOS, Federation, finished_rounds
from tests.e2e.sites import ROOT


def test_the_example_gives_the_model_that_it_gives_on_one_machine(federation: Federation, tmp_path: Path) -> None:
    federation.cluster.kubectl("apply", f"--namespace={federation.namespace}", "-f", str(DIGITS))
    federation.kubectl("wait", "--for=condition=Complete", "federatedjob/digits", "--timeout=290s")
    status = federation.status("digits")
    print(federation.kubectl("describe", "federatedjob", "digits"))  # noqa: T201 (shown with -s)

    assert status["round"] == status["rounds"] == 20
    assert [row["name"] for row in status["silos"]] == list(SILOS)
    assert {row["device"] for row in status["silos"]} == {"cpu"}
    assert status["computation"]
    assert status["restarts"] == 0

    on_the_cluster = federation.fetch("digits", tmp_path / "cluster")
    assert finished_rounds(tmp_path / "cluster") == list(range(1, 21))
    assert on_the_cluster["model"]["digest"] == local_digest(tmp_path / "local")


def local_digest(out: Path) -> str:
    fedjobs = str(Path(sys.executable).with_name("fedjobs"))
    silos = ROOT / "examples/digits/silos.yaml"
    subprocess.run([fedjobs, "run", str(DIGITS), "--silos", str(silos), "--out", str(out), "--plain"], check=True)
    found = subprocess.run([fedjobs, "result", str(out), "--json"], check=True, capture_output=True, text=True)
    return str(json.loads(found.stdout)["model"]["digest"])
