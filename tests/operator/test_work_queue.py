"""The queue of jobs to reconcile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from fedjobs_operator.controller.work_queue import WorkQueue

from tests.operator.virtual_time import in_virtual_time, now, settled

Queue = WorkQueue[str]


def with_a_queue(test: Callable[[Queue], Awaitable[None]]) -> None:
    async def run() -> None:
        await test(WorkQueue(asyncio.get_running_loop().time))

    in_virtual_time(run())


async def is_idle(queue: Queue) -> bool:
    """Returns whether the queue has no item that is due."""
    waiting = asyncio.create_task(queue.get())
    await settled()
    if waiting.done():
        await queue.done(waiting.result())
        return False
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    return True


def test_an_added_job_is_due_immediately() -> None:
    async def test(queue: Queue) -> None:
        await queue.add("a")
        assert (await queue.get(), now()) == ("a", 0)

    with_a_queue(test)


def test_a_job_that_is_added_twice_is_handled_once() -> None:
    async def test(queue: Queue) -> None:
        await queue.add("a")
        await queue.add("a")
        assert len(queue) == 1
        await queue.done(await queue.get())
        assert await is_idle(queue)

    with_a_queue(test)


def test_a_job_is_handled_by_one_worker_at_a_time() -> None:
    async def test(queue: Queue) -> None:
        await queue.add("a")
        busy_with = await queue.get()
        await queue.add("a")
        await queue.add("b")
        assert await queue.get() == "b"
        again = asyncio.create_task(queue.get())
        await settled()
        assert not again.done()
        await queue.done(busy_with)
        assert await again == "a"

    with_a_queue(test)


def test_a_job_that_is_added_while_it_is_handled_is_not_lost() -> None:
    async def test(queue: Queue) -> None:
        await queue.add("a")
        await queue.get()
        await queue.add("a")
        await queue.done("a")
        assert await queue.get() == "a"

    with_a_queue(test)


def test_a_delayed_job_is_due_at_its_time() -> None:
    async def test(queue: Queue) -> None:
        await queue.add("a", 15)
        assert len(queue) == 0
        assert (await queue.get(), now()) == ("a", 15)

    with_a_queue(test)


def test_the_earliest_time_wins_and_the_later_one_is_forgotten() -> None:
    async def test(queue: Queue) -> None:
        for delay in (60, 5, 30):
            await queue.add("a", delay)
        await queue.done(await queue.get())
        assert now() == 5
        await queue.add("b", 100)
        assert (await queue.get(), now()) == ("b", 105)

    with_a_queue(test)


def test_a_waiting_worker_notices_an_earlier_time() -> None:
    async def test(queue: Queue) -> None:
        await queue.add("late", 60)
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(1)
        await queue.add("early", 2)
        assert (await waiting, now()) == ("early", 3)

    with_a_queue(test)


def test_retries_back_off_up_to_a_minute() -> None:
    async def test(queue: Queue) -> None:
        await queue.add("a")
        waits = []
        for _ in range(10):
            key = await queue.get()
            began = now()
            await queue.failed(key)
            key = await queue.get()
            waits.append(now() - began)
            await queue.failed(key)
        assert waits[:3] == [0.5, 2, 8]
        assert waits[-1] == 60

    with_a_queue(test)


def test_a_success_resets_the_backoff() -> None:
    async def test(queue: Queue) -> None:
        await queue.add("a")
        for _ in range(3):
            await queue.failed(await queue.get())
        await queue.done(await queue.get())
        await queue.add("a")
        began = now()
        await queue.failed(await queue.get())
        await queue.get()
        assert now() - began == 0.5

    with_a_queue(test)


def test_a_new_event_is_not_delayed_by_the_backoff() -> None:
    async def test(queue: Queue) -> None:
        await queue.add("a")
        for _ in range(5):
            await queue.failed(await queue.get())
        began = now()
        await queue.add("a")
        assert (await queue.get(), now()) == ("a", began)

    with_a_queue(test)


def test_many_workers_handle_each_job_once() -> None:
    async def test(queue: Queue) -> None:
        seen: list[str] = []

        async def work() -> None:
            while True:
                key = await queue.get()
                seen.append(key)
                await asyncio.sleep(1)
                await queue.done(key)

        workers = [asyncio.create_task(work()) for _ in range(4)]
        names = [f"job-{number}" for number in range(12)]
        for name in names:
            await queue.add(name)
        await asyncio.sleep(2.5)
        assert sorted(seen) == sorted(names)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    with_a_queue(test)


def test_delayed_entries_do_not_accumulate() -> None:
    async def test(queue: Queue) -> None:
        for _ in range(1000):
            await queue.add("a")
            assert await queue.get() == "a"
            await queue.add("a", 86_400)
            await queue.done("a")
        assert len(queue._due) < 100
        await queue.add("b", 3600)
        assert (await queue.get(), now()) == ("b", 3600)
        assert (await queue.get(), now()) == ("a", 86_400)

    with_a_queue(test)
