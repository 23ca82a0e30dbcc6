"""The managers of `tff.program`: what is durable when, what is published when, and what a restart finds."""

from __future__ import annotations

import asyncio
import errno
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import attrs
import numpy as np
import pytest
import safetensors.numpy
import tensorflow_federated as tff
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.resolved_jobs import ResolvedProgram
from fedjobs_coordinator.invocations.invocations import Result
from fedjobs_coordinator.invocations.silo_data import SiloDataIterator
from fedjobs_coordinator.invocations.silos import Silos
from fedjobs_coordinator.program_runs import ProgramRun
from fedjobs_coordinator.state.checkpoints import Checkpoints
from fedjobs_coordinator.tff_programs.managers import Managers

from .builders import a_job

F = np.float32


class Process:
    """One start of a coordinator. `events` records what happened, in order."""

    def __init__(self, folder: Path, checkpoints: Checkpoints | None = None) -> None:
        self.events: list[str] = []
        self.folder = folder
        self.result = folder / "result"
        self.checkpoints = checkpoints or Checkpoints(folder / "checkpoints")
        self.managers = Managers(folder, self.checkpoints, self, self, self.result)

    def mark_durable(self, version: int) -> None:
        assert version in self.checkpoints.versions()
        self.events.append(f"durable {version}")

    def mark_loaded(self, version: int) -> None:
        self.events.append(f"loaded {version}")

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:  # noqa: A002 - the interface's name
        self.events.append(f"round {round}: {metrics}")

    def run(self, program: Callable[[], Awaitable[Any]]) -> Any:
        """Runs a program to its end, as a job does."""

        async def whole() -> Any:
            result = await program()
            await self.managers.finish()
            return result

        return asyncio.run(whole())


@attrs.define
class State:
    weights: list[Any]
    number: int
    nothing: Any
    data: SiloDataIterator


def test_a_state_is_restored_with_its_classes_and_bits(tmp_path: Path) -> None:
    data = SiloDataIterator("digits", None)
    data.select()
    state = State([np.array([0.1, np.nan], F), np.int64(3)], 5, None, data)
    first = Process(tmp_path)
    first.run(lambda: first.managers.state().save(state, 5))
    second = Process(tmp_path)
    structure = State([0, 0], 0, 0, SiloDataIterator("", None))
    loaded, version = second.run(lambda: second.managers.state().load_latest(structure))
    assert (version, type(loaded), loaded.number, loaded.nothing) == (5, State, 5, None)
    assert type(loaded.number) is int
    assert loaded.weights[0].tobytes() == state.weights[0].tobytes()
    assert loaded.data.select() == data.select()


def test_a_computation_waits_for_the_save_that_was_started_before_it(tmp_path: Path) -> None:
    process = Process(tmp_path)

    async def program() -> None:
        task = asyncio.create_task(process.managers.state().save({"a": F(1)}, 1))
        await process.managers.work.wait_for_saves()  # the context awaits this before each computation
        process.events.append("computation")
        await task

    process.run(program)
    assert process.events == ["durable 1", "computation"]


@pytest.mark.parametrize("release_first", [False, True], ids=["save first", "release first"])
def test_a_value_is_published_after_the_state_that_was_saved_beside_it(tmp_path: Path, release_first: bool) -> None:
    process = Process(tmp_path)
    state, metrics = process.managers.state(), process.managers.metrics()

    async def program() -> None:
        works = [state.save({"a": F(1)}, 1), metrics.release(OrderedDict(loss=F(0.5), name="x"), 1)]
        tasks = [asyncio.create_task(work) for work in (reversed(works) if release_first else works)]
        await asyncio.gather(*tasks)

    process.run(program)
    published = "round 1: {'loss': 0.5}"
    # A release that is started before any save belongs to the state before it.
    if release_first:
        assert sorted(process.events) == ["durable 1", published]  # in any order
    else:
        assert process.events == ["durable 1", published]


def test_a_release_whose_process_died_before_it_was_published_is_published_by_the_next_one(tmp_path: Path) -> None:
    class DiedError(BaseException):
        pass

    class Dying(Process):
        def mark_durable(self, version: int) -> None:
            raise DiedError

    first = Dying(tmp_path)
    state, files = first.managers.state(), first.managers.files()

    async def program() -> None:
        save = asyncio.create_task(state.save({"a": F(1)}, 1))
        release = asyncio.create_task(files.release({"w": np.arange(3, dtype=F)}, "model"))
        await asyncio.wait([save, release])
        await save

    with pytest.raises(DiedError):
        first.run(program)
    assert not (tmp_path / "result" / "model.safetensors").exists()
    second = Process(tmp_path)
    again = second.managers.files()
    second.run(lambda: again.release({"w": np.zeros(1, F)}, "another"))
    found = safetensors.numpy.load_file(tmp_path / "result" / "model.safetensors")
    assert found["w"].tolist() == [0, 1, 2]


def test_a_release_of_a_state_that_was_not_saved_is_forgotten(tmp_path: Path) -> None:
    class Full(Checkpoints):
        def save(self, version: int, state: Any) -> None:
            raise FedjobsError(ErrorCode.DISK_FULL, "full", "")

    first = Process(tmp_path, Full(tmp_path / "checkpoints"))
    state, metrics = first.managers.state(), first.managers.metrics()

    async def program() -> None:
        save = asyncio.create_task(state.save({"a": F(1)}, 1))
        release = asyncio.create_task(metrics.release({"loss": F(1)}, 1))
        await asyncio.wait([save, release])

    with pytest.raises(FedjobsError) as raised:
        first.run(program)  # the failure was in a task whose result nobody reads
    assert raised.value.code is ErrorCode.DISK_FULL
    assert first.events == []
    second = Process(tmp_path)
    again = second.managers.metrics()
    second.run(lambda: again.release({"loss": F(2)}, 1))
    assert second.events == ["round 1: {'loss': 2.0}"]


def test_the_program_fails_if_a_release_manager_fails(tmp_path: Path) -> None:
    class Broken(tff.program.ReleaseManager):
        async def release(self, value: Any, key: Any) -> None:
            raise OSError(errno.EIO, "broken")

    process = Process(tmp_path)
    manager = process.managers.reliable(Broken(), "board")

    async def program() -> None:
        await asyncio.wait([asyncio.create_task(manager.release({"loss": F(1)}, 1))])

    with pytest.raises(OSError, match="broken"):
        process.run(program)


def test_an_existing_version_is_not_replaced(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.run(lambda: process.managers.state().save({"a": F(1)}, 1))
    with pytest.raises(tff.program.ProgramStateExistsError):
        process.run(lambda: process.managers.state().save({"a": F(2)}, 1))


@pytest.mark.parametrize(
    ("misuse", "named"),
    [
        (lambda m: m.files().release({"w": F(1)}, "../model"), "'../model'"),
        (lambda m: m.files().release({"w": "text"}, "model"), "'w'"),
        (lambda m: (m.metrics(), m.metrics()), "'metrics'"),
        (lambda m: m.state().load(3, {"a": 0, "b": 0}), "version 3"),
    ],
    ids=["path", "text", "twice", "structure"],
)
def test_a_wrong_use_of_a_manager_is_an_error_that_names_it(
    tmp_path: Path, misuse: Callable[[Managers], Any], named: str
) -> None:
    process = Process(tmp_path)
    process.run(lambda: process.managers.state().save({"a": F(1)}, 3))

    async def program() -> None:
        await misuse(process.managers)

    with pytest.raises(FedjobsError) as raised:
        process.run(program)
    assert raised.value.code is ErrorCode.PROGRAM_FAILED
    assert named in raised.value.message


def test_a_release_beside_a_save_that_is_publishing_is_published(tmp_path: Path) -> None:
    """The release begins when the save has already listed what it publishes."""
    published: list[Any] = []

    class Slow(tff.program.ReleaseManager):
        async def release(self, value: Any, key: Any) -> None:
            if key == "first":
                began.set()
                await proceed.wait()
            published.append(key)

    began, proceed = asyncio.Event(), asyncio.Event()
    process = Process(tmp_path)
    state, manager = process.managers.state(), process.managers.reliable(Slow(), "slow")

    async def program() -> None:
        save = asyncio.create_task(state.save({"a": F(1)}, 1))
        first = asyncio.create_task(manager.release({"loss": F(1)}, "first"))
        await began.wait()
        second = asyncio.create_task(manager.release({"loss": F(2)}, "second"))
        await process.managers.work.wait_for_stagings()
        proceed.set()
        await asyncio.gather(save, first, second)

    process.run(program)
    assert published == ["first", "second"]
    assert not list((tmp_path / "releases").iterdir())


def test_releases_at_the_same_time_are_each_published_once(tmp_path: Path) -> None:
    published: list[Any] = []

    class Slow(tff.program.ReleaseManager):
        async def release(self, value: Any, key: Any) -> None:
            await asyncio.sleep(0)
            published.append(key)

    process = Process(tmp_path)
    manager = process.managers.reliable(Slow(), "slow")

    async def program() -> None:
        await asyncio.gather(*(manager.release({"loss": F(key)}, key) for key in range(8)))

    process.run(program)
    assert sorted(published) == list(range(8))


def test_an_evaluation_per_silo_waits_for_the_save_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a save deletes all reports, also those of a computation that runs meanwhile."""
    events: list[str] = []
    job = a_job(["alice"]).model_copy(update={"program": ResolvedProgram(entrypoint="m:main")})
    run = ProgramRun(cast(Silos, SimpleNamespace(job=job)), tmp_path, tmp_path / "result")

    async def saves() -> None:
        events.append("saved")

    def runs(computation: Any, argument: Any) -> Result:
        events.append("computation")
        return Result(1, (), {})

    monkeypatch.setattr(run, "_wait_for_saves", saves)
    monkeypatch.setattr(run._invocations, "run_with_silos", runs)
    computation = tff.tensorflow.computation(lambda: 1)
    asyncio.run(run.run_with_silos(computation))
    assert events == ["saved", "computation"]
