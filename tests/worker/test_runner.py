"""A runner host as a separate process, and the runners that it forks."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.ids import Digest
from fedjobs_protocol.transfers.values import Leaf, SequenceValue, frame, unframe
from fedjobs_worker.channels import messages, shared_memory
from fedjobs_worker.runner import probe
from fedjobs_worker.runner.client import RunnerClient, RunnerLostError
from fedjobs_worker.runner.inputs import Inputs

from tests.worker.conftest import RunnerHost, host_process, wait_until
from tests.worker.shard_builders import sequence, shard, tensor

pytestmark = pytest.mark.processes

EXAMPLES = sequence(x=tensor("float32", 2), y=tensor("int32"))


@pytest.fixture
def client(runner_host: RunnerHost) -> Iterator[RunnerClient]:
    client = runner_host.client()
    yield client
    client.close()


def in_memory(*leaves: Leaf) -> tuple[int, int]:
    memory = shared_memory.create("test")
    return memory, shared_memory.write(memory, frame(leaves).buffers())


def run(
    client: RunnerClient,
    serialized: bytes,
    broadcasts: list[np.ndarray] = [],  # noqa: B006
    values: list[list[Leaf]] = [],  # noqa: B006
    selected: list[int] | None = None,
    components: tuple[int, ...] = (0, 1),
    clients: int | None = None,
) -> tuple[list[np.ndarray], messages.Ran]:
    digest = Digest(f"{hash(serialized):x}")
    client.load_shard(digest, serialized)
    inputs = Inputs()
    sources: list[messages.SelectedClients | messages.Piece] = [
        inputs.small(frame(leaves).tobytes()) for leaves in values
    ]
    if selected is not None:
        indices = inputs.small(np.array(selected, np.int64).tobytes())
        sources.append(messages.SelectedClients(dataset="digits", components=list(components), clients=indices))
    pieces = [inputs.large(*in_memory(value)) for value in broadcasts]
    if clients is None:
        clients = len(selected) if selected is not None else len(values[0]) if values else 1
    request = messages.Run(digest=digest, broadcasts=pieces, client_inputs=sources, clients=clients)
    result = shared_memory.create("result")
    with inputs as descriptors:
        ran = client.run(request, [*descriptors, result])
    return [np.array(leaf) for leaf in unframe(os.pread(result, ran.size, 0))], ran


def add_label_sums(dataset: tf.data.Dataset) -> list[tf.Tensor]:
    total = dataset.batch(2).reduce(0.0, lambda total, batch: total + tf.reduce_sum(batch[0]) * 100)
    labels = dataset.reduce(0, lambda total, example: total + example[1])
    return [total + tf.cast(labels, tf.float32)]


@pytest.fixture
def digits(client: RunnerClient) -> RunnerClient:
    x = np.array([[1, 0], [2, 0], [4, 0], [8, 0]], np.float32)
    y = np.array([1, 2, 4, 8], np.int32)
    memory, _ = in_memory(x, y, np.array([0, 1, 3, 4], np.int64))
    client.load_data("digits", memory)
    os.close(memory)
    return client


def test_a_shard_runs_over_the_selected_clients(digits: RunnerClient) -> None:
    (total,), ran = run(digits, shard([], [EXAMPLES], add_label_sums), selected=[0, 2])
    assert total == (1 + 8) * 100 + (1 + 8)
    assert (ran.clients, ran.device) == (2, "cpu")


def test_components_come_in_the_order_that_the_shard_asks_for(digits: RunnerClient) -> None:
    swapped = sequence(y=tensor("int32"), x=tensor("float32", 2))
    work = shard([], [swapped], lambda d: [d.reduce(0.0, lambda total, e: total + e[1][0] + tf.cast(e[0], tf.float32))])
    (total,), _ = run(digits, work, selected=[1], components=(1, 0))
    assert total == 2 + 4 + 2 + 4


def test_one_component_has_no_tuple(digits: RunnerClient) -> None:
    only_y = sequence(y=tensor("int32"))
    work = shard([], [only_y], lambda d: [tf.cast(d.reduce(0, lambda total, y: total + y), tf.float32)])
    (total,), _ = run(digits, work, selected=[0, 1, 2], components=(1,))
    assert total == 15


@pytest.mark.parametrize("size", [3, 1 << 20])
def test_a_broadcast_reaches_each_client(client: RunnerClient, size: int) -> None:
    work = shard([tensor("float32", size)], [], lambda x: [x + 1.0], tensor("float32", size))
    value = np.arange(size, dtype=np.float32)
    (total,), ran = run(client, work, [value], clients=3)
    np.testing.assert_array_equal(total, 3 * (value + 1))
    assert ran.clients == 3


def test_the_programs_arguments_have_one_value_per_client(client: RunnerClient) -> None:
    work = shard([], [tensor("float32"), tensor("string")], lambda x, s: [x + tf.strings.to_number(s)])
    values: list[list[Leaf]] = [
        [np.array(1, np.float32), np.array(2, np.float32)],
        [np.array(b"10", object), np.array(b"20", object)],
    ]
    (total,), ran = run(client, work, values=values)
    assert (total, ran.clients) == (33, 2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (SequenceValue(components=(np.ones((3, 2), np.float32), np.array([1, 2, 3], np.int32))), 606),
        (
            SequenceValue(
                # The last batch is smaller.
                elements=tuple((np.ones(n, np.float32), np.array(n, np.int32)) for n in (2, 2, 1))
            ),
            505,
        ),
        (SequenceValue(elements=()), 0),
    ],
)
def test_a_sequence_of_the_program_becomes_a_dataset(
    client: RunnerClient, value: SequenceValue, expected: float
) -> None:
    leaf = sequence(x=tensor("float32", -1), y=tensor("int32"))

    def work(dataset: tf.data.Dataset) -> list[tf.Tensor]:
        add = lambda total, e: total + 100 * tf.reduce_sum(e[0]) + tf.cast(e[1], tf.float32)  # noqa: E731
        return [dataset.reduce(0.0, add)]

    (total,), _ = run(client, shard([], [leaf], work), values=[[value]])
    assert total == expected


def test_inputs_of_different_numbers_of_clients_are_refused(digits: RunnerClient) -> None:
    work = shard([], [tensor("float32"), EXAMPLES], lambda x, _: [x])
    with pytest.raises(FedjobsError, match=r"different numbers of local clients: \[1, 2\]"):
        run(digits, work, values=[[np.array(1, np.float32)]], selected=[0, 1])


def test_the_text_of_a_failure_stays_in_the_silo(digits: RunnerClient) -> None:
    def work(dataset: tf.data.Dataset) -> list[tf.Tensor]:
        first = dataset.reduce(0.0, lambda total, example: total + example[0][0])
        with tf.control_dependencies([tf.debugging.Assert(first < 0, [first, "patient 12345"])]):
            return [tf.identity(first)]

    with pytest.raises(FedjobsError) as caught:
        run(digits, shard([], [EXAMPLES], work), selected=[0])
    assert caught.value.code is ErrorCode.SHARD_FAILED
    assert "InvalidArgumentError" in caught.value.message
    assert "12345" not in caught.value.public


def test_a_runner_with_very_many_shards_is_replaced(
    runner_host: RunnerHost, client: RunnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedjobs_worker.runner.client._MOST_SHARDS", 2)
    runners = []
    for number in range(3):
        work = shard([tensor("float32")], [], lambda x, number=number: [x + float(number)])
        (total,), _ = run(client, work, [np.array(1, np.float32)])
        assert total == 1 + number
        runners.append(runner_host.runners()[-1].pid)
    assert runners[0] == runners[1] != runners[2]


def test_invalid_bytes_of_a_shard_are_refused(client: RunnerClient) -> None:
    with pytest.raises(FedjobsError) as caught:
        run(client, b"\xff\xff nonsense")
    assert caught.value.code is ErrorCode.SHARD_FAILED


def test_a_killed_runner_is_reported_and_replaced(runner_host: RunnerHost, client: RunnerClient) -> None:
    work = shard([tensor("float32")], [], lambda x: [x])
    run(client, work, [np.array(1, np.float32)])
    (runner,) = runner_host.runners()
    runner.kill()
    with pytest.raises(RunnerLostError):
        run(client, work, [np.array(1, np.float32)])
    (total,), _ = run(client, work, [np.array(1, np.float32)])
    assert total == 1


def test_a_runner_ends_with_its_connection_even_during_a_run(runner_host: RunnerHost) -> None:
    client = runner_host.client()
    endless = shard([], [], lambda: [tf.data.Dataset.range(1 << 50).reduce(0.0, lambda total, _: total + 1.0)])
    client.load_shard(Digest("endless"), endless)
    (runner,) = runner_host.runners()
    assert list(runner_host.registry.glob("runner.*.json"))
    channel = client._channel
    assert channel is not None
    request = messages.Run(digest="endless", broadcasts=[], client_inputs=[], clients=1)
    channel.send(request.model_dump_json().encode(), [shared_memory.create("inputs"), shared_memory.create("result")])
    client.close()
    psutil.wait_procs([runner], timeout=10)
    wait_until(lambda: not list(runner_host.registry.glob("runner.*.json")))


def test_a_runner_has_no_capability_to_open_a_connection(runner_host: RunnerHost, client: RunnerClient) -> None:
    client.connect()
    (runner,) = runner_host.runners()
    with open(f"/proc/{runner.pid}/status") as status:  # noqa: PTH123
        facts = dict(line.split(":", 1) for line in status)
    assert facts["Seccomp"].strip() == "2"  # seccomp filter mode
    assert facts["NoNewPrivs"].strip() == "1"
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(facts[kind], 16) == 0
    assert len(facts["NSpid"].split()) > 1  # a pid namespace
    assert "0" not in facts["Uid"].split()


def test_a_probe_of_the_host_starts_no_runner(runner_host: RunnerHost, client: RunnerClient) -> None:
    client.connect()
    before = {runner.pid for runner in runner_host.runners()}
    for _ in range(3):
        command = [sys.executable, "-m", "fedjobs_worker.runner.probe", runner_host.socket]
        subprocess.run(command, check=True, timeout=60)
    other = runner_host.client()
    other.connect()
    assert len({runner.pid for runner in runner_host.runners()} - before) == 1
    other.close()


def test_a_probe_of_a_missing_host_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main(["/nowhere/runner.sock"]) == 1
    assert "no runner host listens at /nowhere/runner.sock" in capsys.readouterr().err


def test_a_host_that_gets_sigterm_during_its_imports_ends() -> None:
    with tempfile.TemporaryDirectory(prefix="fj") as folder:
        command = [sys.executable, "-m", "fedjobs_worker.runner", "--listen", f"{folder}/s", "--socket-mode", "0660"]
        host = subprocess.Popen(command)
        wait_until(Path(f"{folder}/s").exists)
        assert stat.S_IMODE(Path(f"{folder}/s").stat().st_mode) == 0o660
        host.terminate()
        assert host.wait(60) == 0
        assert not Path(f"{folder}/s").exists()


def test_runners_end_with_a_host_that_is_killed() -> None:
    with tempfile.TemporaryDirectory(prefix="fj") as folder:
        command = [sys.executable, "-m", "fedjobs_worker.runner", "--listen", f"{folder}/s"]
        host = subprocess.Popen(command)
        client = RunnerClient(f"{folder}/s", "hospital-a")
        client.connect()
        (runner,) = host_process(host.pid).children()
        host.send_signal(signal.SIGKILL)
        host.wait()
        wait_until(lambda: not runner.is_running() or runner.status() == psutil.STATUS_ZOMBIE)
        client.close()
