"""One server at a time does what one does for all."""

from __future__ import annotations

from lockhouse.service import turns
from lockhouse.storage.memory import MemoryStore


def test_one_server_has_the_turn_until_it_ends_and_keeps_it_by_asking_again():
    store = MemoryStore()

    def ask(server: str, now: float, work: str = "chores") -> bool:
        return store.write(lambda tx: turns.take(tx, work, server, now, 10.0))

    assert [ask("a", 100.0), ask("b", 101.0), ask("a", 105.0), ask("b", 114.0)] == [True, False, True, False]
    assert ask("b", 101.0, "packing")
    assert [ask("b", 116.0), ask("a", 117.0)] == [True, False]


def test_a_turn_that_was_given_back_is_anybodys_and_nobody_gives_back_anothers():
    store = MemoryStore()
    store.write(lambda tx: turns.take(tx, "webhooks", "a", 100.0, 10.0))
    assert store.read(lambda r: turns.is_anothers(r, "webhooks", "b", 105.0))
    assert not store.read(lambda r: turns.is_anothers(r, "webhooks", "a", 105.0))
    assert not store.read(lambda r: turns.is_anothers(r, "webhooks", "b", 110.0))
    store.write(lambda tx: turns.end(tx, "webhooks", "b"))
    assert store.read(lambda r: turns.is_anothers(r, "webhooks", "b", 105.0))
    store.write(lambda tx: turns.end(tx, "webhooks", "a"))
    assert not store.read(lambda r: turns.is_anothers(r, "webhooks", "b", 105.0))
