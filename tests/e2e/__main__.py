"""Builds the images, starts a cluster, runs the end-to-end tests on it, and deletes it: `make e2e`.

python -m tests.e2e [--cluster KUBECONFIG] [--keep] [pytest's arguments]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster import images, kind, nginx_images, opening
from tests.cluster.clusters import Cluster
from tests.cluster.errors import ClusterError
from tests.e2e.outside import CLUSTERS
from tests.e2e.timings import Timings

NAME = "e2e"


def main() -> int:
    """Returns pytest's exit status, or 4 if there is no cluster to run the tests on."""
    parser = argparse.ArgumentParser("python -m tests.e2e", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--cluster", metavar="KUBECONFIG", help="a running test cluster's kubeconfig (the default is a new cluster)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the clusters running")
    options, further = parser.parse_known_args()
    timings = Timings()
    try:
        with ThreadPoolExecutor() as pool:
            archives = pool.submit(_archives, timings)  # while the cluster starts
            with _cluster(options.cluster, timings, keep=options.keep) as cluster:
                built = archives.result()
                with timings.measured("loading the images"):
                    list(pool.map(lambda archive: cluster.load_images([archive]), built))
                os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
                os.environ["E2E_KEEP"] = "1" if options.keep or options.cluster else ""
                return int(pytest.main(_with_folder(further), plugins=[timings]))
    except ClusterError as problem:
        _say(f"error: {problem}")
        return 4
    finally:
        timings.table(_say)


def _with_folder(arguments: Sequence[str]) -> list[str]:
    """Returns pytest's arguments. If they name no file of this folder, they select the whole folder."""
    named = any(each.startswith("tests/e2e/") for each in arguments)
    return [*([] if named else ["tests/e2e"]), *arguments]


def _archives(timings: Timings) -> list[Path]:
    with timings.measured("the images"):
        return [*images.build(say=_say), nginx_images.build(say=_say)]


@contextmanager
def _cluster(kubeconfig: str | None, timings: Timings, *, keep: bool) -> Iterator[Cluster]:
    if kubeconfig:
        yield opening.opened(Path(kubeconfig))
        return
    with timings.measured("the cluster"):
        cluster = kind.up(NAME, say=_say)
    try:
        yield cluster
    finally:
        if not keep:
            for name in (NAME, *CLUSTERS.values()):  # an earlier run may have kept the others
                kind.down(name)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
