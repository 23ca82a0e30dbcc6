"""The texts in the page about approvals are those that a person sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "approvals.md"
TRAINING, RAW = (block.text for block in blocks(PAGE) if block.language == "text")


def _check_shown(block: str, text: str) -> None:
    """Checks that the lines of a block are lines of the text, in this order. `...` stands for anything."""
    left = [line.strip() for line in text.splitlines()]
    for line in filter(None, map(str.strip, block.splitlines())):
        before, dots, after = line.partition("...")
        found = [
            number
            for number, each in enumerate(left)
            if (each.startswith(before) and each.endswith(after) if dots else each == line)
        ]
        assert found, f"nobody sees the line: {line}"
        if line != "...":
            left = left[found[0] + 1 :]


@pytest.mark.training
@pytest.mark.processes
def test_the_text_of_the_training_is_that_of_the_example() -> None:
    command = [Path(sys.executable).with_name("fedjobs"), "explain", ROOT / "examples" / "digits" / "job.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=280)
    _check_shown(TRAINING, done.stdout)
    assert "WARNING" not in done.stdout


def test_the_text_of_a_graph_that_sends_records_has_the_warning() -> None:
    import tensorflow as tf
    from fedjobs.job_explanation import Shard, explained
    from fedjobs_common.digests import digest

    from tests.worker.shard_builders import sequence, shard, tensor

    def last_batch(dataset: tf.data.Dataset) -> list[tf.Tensor]:
        batches = dataset.map(lambda x, _: x).batch(4, drop_remainder=True)
        return [batches.reduce(tf.zeros([4, 2]), lambda _, batch: batch)]

    examples = sequence(x=tensor("float32", 2), y=tensor("int32"))
    serialized = shard([], [examples], last_batch, tensor("float32", 4, 2))
    _check_shown(RAW, "".join(explained(Shard(digest(serialized), serialized))))
