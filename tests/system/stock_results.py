"""Runs the cases of `tff_library` on TFF's own runtime, and writes the leaves of their results.

python -m tests.system.stock_results FILE

The runtime starts a process that outlives this one, in the same process group. The caller ends the group.
"""

from __future__ import annotations

import pickle
import sys
import traceback
from pathlib import Path

import tensorflow_federated as tff

from tests.system.tff_library import CLIENTS, cases


def main(path: Path, only: str = "") -> None:
    tff.backends.test.set_sync_test_cpp_execution_context(default_num_clients=CLIENTS)
    results: dict[str, object] = {}
    for case in cases():
        if only not in case.name:
            continue
        try:
            results[case.name] = case.run()
        except Exception:
            results[case.name] = traceback.format_exc()
    path.write_bytes(pickle.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
