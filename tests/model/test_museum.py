"""The museum: old bugs of services like this one, planted again. The model of all protocols finds each.

A bug is one rule made wrong. What finds the others of the list: `tests/torture` commits and bodies that are not synced,
`tests/contract/test_postgres.py` a lock that is read and then written, `tests/fleet` locks of a session behind a pooler
and standbys that lack acknowledged writes, `tests/e2e/test_show_08_crashes.py` a digest that is written by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace

from lockhouse.core import locks, writes
from lockhouse.core.locks import LockRecord, Outcome, Release, Take, Verdict
from lockhouse.runtime.house import House
from tests.model.test_protocols import Protocols

Plant = Callable[[pytest.MonkeyPatch], None]
_take, _release, _get = locks.take, locks.release, House.get


def no_lock_at_all(patch: pytest.MonkeyPatch) -> None:
    """Who asks is granted, whoever holds."""
    patch.setattr(locks, "take", lambda record, request: _take(replace(record, lock=None), request))


def a_lock_that_ends_by_the_clock(patch: pytest.MonkeyPatch) -> None:
    """A lock that is half a minute old is taken to be left behind."""

    def take(record: LockRecord, request: Take) -> Outcome:
        old = record.lock is not None and record.lock.at + 30 < request.now
        return _take(replace(record, lock=None) if old else record, request)

    patch.setattr(locks, "take", take)


def a_repeated_request_is_refused(patch: pytest.MonkeyPatch) -> None:
    """A client is locked out by its own lock when the answer got lost."""

    def take(record: LockRecord, request: Take) -> Outcome:
        return Outcome(Verdict.HELD, record, record.lock) if record.lock is not None else _take(record, request)

    patch.setattr(locks, "take", take)


def an_unlock_that_deletes_whatever_is_there(patch: pytest.MonkeyPatch) -> None:
    """As an unconditional delete of the lock's item does."""

    def release(record: LockRecord, request: Release) -> Outcome:
        if record.lock is None or request.force:
            return _release(record, request)
        return Outcome(Verdict.RELEASED, replace(record, lock=None), record.lock)

    patch.setattr(locks, "release", release)


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """Whose lock was taken away is forgotten."""

    def release(record: LockRecord, request: Release) -> Outcome:
        outcome = _release(record, request)
        return replace(outcome, record=replace(outcome.record, fences=()))

    patch.setattr(locks, "release", release)


def no_rule_of_serials(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writes, "_conflict", lambda _head, _facts: None)


def a_write_that_does_not_ask_for_the_lock(patch: pytest.MonkeyPatch) -> None:
    """The lock is there for those who ask, and writes do not."""
    decide = writes.decide
    patch.setattr(writes, "decide", lambda head, record, request: decide(head, replace(record, lock=None), request))


def a_read_from_a_cache(patch: pytest.MonkeyPatch) -> None:
    """What was read once is given out again, until another version has been read by its id."""
    kept: dict[Any, Any] = {}

    async def get(self: House, caller: Any, address: Any, version: str = "", **more: Any) -> Any:
        if version:
            return await _get(self, caller, address, version, **more)
        place = id(self), address
        if place not in kept:
            kept[place] = self, await _get(self, caller, address, version, **more)
        return kept[place][1]

    patch.setattr(House, "get", get)


PLANTED = (
    no_lock_at_all,
    a_lock_that_ends_by_the_clock,
    a_repeated_request_is_refused,
    an_unlock_that_deletes_whatever_is_there,
    no_fence,
    no_rule_of_serials,
    a_write_that_does_not_ask_for_the_lock,
    a_read_from_a_cache,
)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_the_model_finds(plant: Plant, monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Protocols,
            settings=settings(
                max_examples=200,
                stateful_step_count=40,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
