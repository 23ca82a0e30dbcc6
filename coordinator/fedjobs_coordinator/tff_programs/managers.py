"""Implements the state manager and the release managers of `tff.program` for a job."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import safetensors.numpy
import tensorflow_federated as tff
import tree
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically
from tensorflow_federated.python.common_libs import serializable

from fedjobs_coordinator.programs.metric_history import History, flat
from fedjobs_coordinator.state.checkpoints import Checkpoints
from fedjobs_coordinator.tff_programs.background_work import BackgroundWork
from fedjobs_coordinator.tff_programs.staged_releases import Key, Release, StagedReleases

Publish: TypeAlias = Callable[[Key, Any], Awaitable[None]]
_FORMAT = "tff.program state"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Versions(Protocol):
    """The used part of `fedjobs_coordinator.invocations.silos.Silos`."""

    def mark_loaded(self, version: int) -> None: ...
    def mark_durable(self, version: int) -> None: ...


class Rounds(Protocol):
    """The used part of a program's run."""

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None: ...  # noqa: A002 - the domain's word


class Managers:
    """The managers of one program's run. They share the order of saves and releases.

    Args:
        directory: The coordinator's folder.
        checkpoints: The states of the job.
        silos: The silos of the job. They learn which version is durable.
        run: Receives finished rounds.
        result_dir: The folder of the result.
    """

    def __init__(
        self,
        directory: Path,
        checkpoints: Checkpoints,
        silos: Versions,
        run: Rounds,
        result_dir: Path,
    ) -> None:
        self.work = BackgroundWork()
        self._checkpoints = checkpoints
        self._silos = silos
        self._run = run
        self._result_dir = result_dir
        self._publish: dict[str, Publish] = {}
        self._publishing = asyncio.Lock()
        self._staged = StagedReleases(directory / "releases", self._version())

    def state(self) -> tff.program.ProgramStateManager:
        """Returns the manager of the program's state."""
        return _StateManager(self)

    def metrics(self) -> tff.program.ReleaseManager:
        """Returns a manager whose keys are numbers of rounds. Numbers in the values become the metrics of the round."""
        history = History(self._result_dir / "metrics.jsonl", self._version())

        async def publish(key: Key, value: Any) -> None:
            number = int(key)
            metrics = _metrics(value)
            await asyncio.to_thread(history.append, number, metrics)
            self._run.round_finished(number, metrics)

        return self._manager("metrics", publish)

    def files(self) -> tff.program.ReleaseManager:
        """Returns a manager that writes the arrays of a value to `KEY.safetensors` in the folder of the result."""

        async def publish(key: Key, value: Any) -> None:
            content = safetensors.numpy.save(_arrays(value))
            self._result_dir.mkdir(parents=True, exist_ok=True)
            path = self._result_dir / f"{_file_name(key)}.safetensors"
            await asyncio.to_thread(write_atomically, path, content, durable=True, mode=0o644)

        return self._manager("files", publish)

    def reliable(self, manager: tff.program.ReleaseManager, name: str) -> tff.program.ReleaseManager:
        """Returns a manager that releases to another manager, after the state is durable, and whose failures count."""

        async def publish(key: Key, value: Any) -> None:
            await manager.release(value, key)

        return self._manager(f"other/{name}", publish)

    async def finish(self) -> None:
        """Waits for all saves and releases of the program.

        Raises:
            Exception: The first failure of a save or release.
        """
        await self.work.wait_for_stagings()
        await self.work.wait_for_saves()

    def _manager(self, name: str, publish: Publish) -> tff.program.ReleaseManager:
        if name in self._publish:
            raise FedjobsError(
                ErrorCode.PROGRAM_FAILED,
                f"the program requests the release manager {name!r} twice.",
                "Request it once, and use the same manager again. Give each manager in run.reliable() its own name.",
            )
        self._publish[name] = publish
        return _ReleaseManager(self, name)

    def _version(self) -> int:
        return max(self._checkpoints.versions(), default=0)

    # --- for the managers

    def versions(self) -> list[int]:
        """Returns the saved versions."""
        return self._checkpoints.versions()

    async def load(self, version: int) -> Any:
        """Returns the leaves of a saved state. None if there is no state of this version."""
        state = await asyncio.to_thread(self._checkpoints.load_version, version)
        if state is not None:
            self._silos.mark_loaded(version)
        return state

    async def save(self, version: int, leaves: list[Any]) -> None:
        """Saves a state, and publishes the releases that belong to it."""
        with self.work.saving(version):
            await self.work.wait_for_stagings()
            await asyncio.to_thread(self._checkpoints.save, version, {_FORMAT: leaves})
            await asyncio.to_thread(self._silos.mark_durable, version)
        await self._publish_due(version)

    async def release(self, release: Release) -> None:
        """Stages a release. Publishes it if its state is durable."""
        with self.work.recorded():
            with self.work.staging():
                version = self.work.version_in_progress()
                belongs_to = self._version() if version is None else version
                await asyncio.to_thread(self._staged.stage, belongs_to, release)
            # A save in progress publishes the release. It may have ended meanwhile, or failed.
            if not self.work.is_saving(belongs_to) and belongs_to <= self._version():
                await self._publish_due(belongs_to)

    async def publish_rest(self, name: str) -> None:
        """Publishes what an earlier process staged for a manager and did not publish."""
        await self._publish_due(self._version(), name)

    async def _publish_due(self, version: int, manager: str | None = None) -> None:
        # One at a time, so that no release is published twice, and all are in order.
        with self.work.publishing():
            async with self._publishing:
                for path, release in list(self._staged.due(version, manager)):
                    publish = self._publish.get(release.manager)
                    if publish is not None:  # else the program has not asked for this manager yet
                        await publish(release.key, release.value)
                        path.unlink()


class _StateManager(tff.program.ProgramStateManager):
    """See `Managers.state`."""

    def __init__(self, managers: Managers) -> None:
        self._managers = managers

    async def get_versions(self) -> list[int] | None:
        """See the base class."""
        return self._managers.versions() or None

    async def load(self, version: int, structure: Any) -> Any:
        """See the base class.

        Raises:
            FedjobsError: PROGRAM_FAILED if the state was not saved by this manager, or has another structure.
        """
        saved = await self._managers.load(version)
        if saved is None:
            raise tff.program.ProgramStateNotFoundError(version)
        expected = tree.flatten(structure)
        leaves = saved.get(_FORMAT) if isinstance(saved, Mapping) else None
        if leaves is None or len(leaves) != len(expected):
            raise FedjobsError(
                ErrorCode.PROGRAM_FAILED,
                f"the saved state of version {version} does not have the structure that the program expects.",
                "Use either run.save or run.state_manager in a program. If you changed the program, start a new job.",
            )
        return tree.unflatten_as(structure, list(map(_restored, leaves, expected)))

    async def save(self, program_state: Any, version: int) -> None:
        """See the base class. The state is on disk when the call returns."""
        if version in self._managers.versions():
            raise tff.program.ProgramStateExistsError(version=version, path="the job's state")
        state = await _materialized(program_state)
        await self._managers.save(int(version), list(map(_saved, tree.flatten(state))))


class _ReleaseManager(tff.program.ReleaseManager):
    """A manager that stages releases. `Managers` publishes them."""

    def __init__(self, managers: Managers, name: str) -> None:
        self._managers = managers
        self._name = name
        self._first = True

    async def release(self, value: Any, key: Key) -> None:
        """See the base class."""
        if self._first:
            self._first = False
            await self._managers.publish_rest(self._name)
        value = await _materialized(value)
        plain = key if isinstance(key, str) else int(key)  # a number of NumPy cannot be written as JSON
        await self._managers.release(Release(self._name, plain, value))


async def _materialized(value: Any) -> Any:
    """Replaces references by their values. If there are none, nothing else runs meanwhile.

    So a save or a release without references is registered before a computation that the program calls after it.
    """
    leaves = tree.flatten(value)
    if not any(isinstance(leaf, tff.program.MaterializableValueReference) for leaf in leaves):
        return value
    return tree.unflatten_as(value, [await tff.program.materialize_value(leaf) for leaf in leaves])


def _saved(leaf: Any) -> Any:
    """Converts a leaf of a state to what a checkpoint can hold. None becomes an empty dictionary."""
    if isinstance(leaf, serializable.Serializable):
        return leaf.to_bytes()
    return {} if leaf is None else leaf


def _restored(leaf: Any, expected: Any) -> Any:
    if isinstance(expected, serializable.Serializable):
        return type(expected).from_bytes(leaf)
    if isinstance(leaf, Mapping) and not leaf:
        return None
    return type(expected)(leaf) if type(expected) in (bool, int, float) and np.ndim(leaf) == 0 else leaf


def _named(value: Any) -> Iterator[tuple[str, Any]]:
    """Yields the leaves with their paths, such as `train/loss`."""
    for path, leaf in tree.flatten_with_path(value):
        yield "/".join(map(str, path)) or "value", leaf


def _metrics(value: Any) -> dict[str, float]:
    named = dict(_named(value))
    numbers = {name: leaf for name, leaf in named.items() if np.asarray(leaf).dtype.kind in "biuf"}
    return {name.removeprefix("/"): number for name, number in flat(numbers, "").items()}


def _arrays(value: Any) -> dict[str, Any]:
    named = {name: np.asarray(leaf) for name, leaf in _named(value)}
    unfit = sorted(name for name, array in named.items() if array.dtype.kind not in "biuf")
    if unfit:
        raise FedjobsError(
            ErrorCode.PROGRAM_FAILED,
            f"the released value contains {unfit[0]!r}, which is not an array of numbers.",
            "Release only arrays of numbers to the manager from run.files_manager().",
        )
    return {name: np.ascontiguousarray(array) for name, array in named.items()}


def _file_name(key: Key) -> str:
    name = str(key)
    if not _FILE_NAME.fullmatch(name):
        raise FedjobsError(
            ErrorCode.PROGRAM_FAILED,
            f"{name!r} cannot be the name of a file of the result.",
            "Use up to 100 letters, digits, and the characters . _ - in the keys of released files.",
        )
    return name
