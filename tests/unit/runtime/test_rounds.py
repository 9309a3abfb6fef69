"""Rounds go on after failures, which are told with their stack once; a stop leaves a round its time."""

from __future__ import annotations

import asyncio
import logging

from lockhouse.errors import StorageFull, StorageUnavailable
from lockhouse.runtime.rounds import Rounds

_log = logging.getLogger("lockhouse.test")


def run_to_the_end_of(outcomes: list[Exception | None]) -> None:
    """One round for each outcome: what it raises, or None."""
    left, done = iter(outcomes), asyncio.Event()

    async def act() -> None:
        for outcome in left:
            if outcome is not None:
                raise outcome
            return
        done.set()
        await asyncio.Event().wait()

    async def run() -> None:
        rounds = Rounds("count sheep", act, seconds=0.0, log=_log)
        rounds.start()
        await done.wait()
        await rounds.stop()

    asyncio.run(run())


def test_a_round_that_fails_is_logged_and_the_next_ones_try_again(caplog):
    run_to_the_end_of([OSError("first"), OSError("second"), None, OSError("third"), None])
    assert [(each.getMessage(), bool(each.exc_info)) for each in caplog.records] == [
        ("Cannot count sheep error=first", True),
        ("Cannot count sheep error=second", False),
        ("Went on: can count sheep again", False),
        ("Cannot count sheep error=third", True),
        ("Went on: can count sheep again", False),
    ]


def test_what_has_words_of_its_own_is_told_once_without_a_stack_until_it_is_over(caplog):
    away = StorageUnavailable("cannot use the database: it is away", hint="try again")
    run_to_the_end_of(
        [
            away,
            StorageUnavailable("cannot use the database: still", hint="try again"),
            StorageFull("full", hint="try again"),
            None,
            away,
        ]
    )
    assert [each.getMessage() for each in caplog.records] == [
        "Cannot count sheep error=cannot use the database: it is away",
        "Cannot count sheep error=full",
        "Went on: can count sheep again",
        "Cannot count sheep error=cannot use the database: it is away",
    ]
    assert not any(each.exc_info for each in caplog.records)


def test_a_stop_waits_for_the_round_under_way_and_for_no_other():
    begun, ended = [], []
    may_end = asyncio.Event()

    async def act() -> None:
        begun.append(1)
        await may_end.wait()
        ended.append(1)

    async def run() -> None:
        rounds = Rounds("wait", act, seconds=0.0, log=_log)
        rounds.start()
        while not begun:
            await asyncio.sleep(0)
        stopping = asyncio.create_task(rounds.stop(patience=60.0))
        await asyncio.sleep(0)
        assert not stopping.done()
        may_end.set()
        await stopping

    asyncio.run(run())
    assert (len(begun), len(ended)) == (1, 1)


def test_a_stop_without_patience_ends_a_round_where_it_waits():
    ended = []

    async def act() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def run() -> None:
        rounds = Rounds("wait", act, seconds=0.0, log=_log)
        rounds.start()
        await asyncio.sleep(0)
        await rounds.stop()

    asyncio.run(run())
    assert ended == [1]


def test_rounds_that_never_began_may_be_stopped():
    async def run() -> None:
        await Rounds("begin", asyncio.Event().wait, seconds=0.0, log=_log).stop()

    asyncio.run(run())
