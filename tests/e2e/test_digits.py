"""The digits example, from `kubectl apply` to the model on the user's machine."""

from pathlib import Path

import yaml

from tests.e2e.federations import DIGITS, SILOS, Federation, finished_rounds
from tests.e2e.local_runs import local_run


def test_the_example_gives_the_same_model_as_on_one_machine(federation: Federation, tmp_path: Path) -> None:
    with local_run(yaml.safe_load(DIGITS.read_text()), tmp_path) as on_this_machine:
        federation.cluster.kubectl("apply", f"--namespace={federation.namespace}", "-f", str(DIGITS))
        expected = on_this_machine.model_digest()
    federation.kubectl("wait", "--for=condition=Complete", "federatedjob/digits", "--timeout=290s")
    status = federation.status("digits")
    print(federation.kubectl("describe", "federatedjob", "digits"))  # noqa: T201 (shown with -s)

    assert status["completedRounds"] == status["totalRounds"] == 20
    assert [row["name"] for row in status["silos"]] == list(SILOS)
    assert {row["device"] for row in status["silos"]} == {"cpu"}
    assert status["computationDigest"]
    assert status["restarts"] == 0

    on_the_cluster = federation.fetch("digits", tmp_path / "cluster")
    assert finished_rounds(tmp_path / "cluster") == list(range(1, 21))
    assert on_the_cluster["model"]["digest"] == expected
