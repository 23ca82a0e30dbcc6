"""Runs the same job on this machine in the background, to compare its result with the cluster's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.commands import PATIENCE
from tests.e2e.sites import ROOT

_FEDJOBS = str(Path(sys.executable).with_name("fedjobs"))
_SILOS = ROOT / "examples/digits/silos.yaml"


@dataclass(frozen=True)
class LocalRun:
    """A run that was started.

    Attributes:
        out: The output folder of the run.
        process: The process `fedjobs run`.
    """

    out: Path
    process: subprocess.Popen[bytes]

    def model_digest(self) -> str:
        """Waits for the end of the run and returns the digest of its model. Fails if the run fails."""
        assert self.process.wait(PATIENCE) == 0, self.out.with_name("log").read_text()
        found = subprocess.run(
            [_FEDJOBS, "result", str(self.out), "--json"], check=True, capture_output=True, text=True
        )
        return str(json.loads(found.stdout)["model"]["digest"])


@contextmanager
def local_run(job: Mapping[str, Any], folder: Path) -> Iterator[LocalRun]:
    """Runs a job over the example's silos, in a folder. Terminates it at the end if it still runs."""
    file, out = folder / "job.yaml", folder / "out"
    file.write_text(yaml.safe_dump(dict(job)))
    command = [_FEDJOBS, "run", str(file), "--silos", str(_SILOS), "--out", str(out), "--plain"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield LocalRun(out, process)
    finally:
        process.terminate()
        process.wait(PATIENCE)
