"""What is noted about the data as a whole."""

from __future__ import annotations

from lockhouse.core.ports import Store


def test_a_notice_is_kept_replaced_and_removed(store: Store):
    store.write(lambda tx: tx.set_notice("moved", b"one"))
    store.write(lambda tx: tx.set_notice("moved", b"two"))
    assert store.read(lambda tx: list(tx.notices())) == [("moved", b"two")]
    store.write(lambda tx: tx.set_notice("moved", None))
    store.write(lambda tx: tx.set_notice("never", None))
    assert store.read(lambda tx: list(tx.notices())) == []


def test_notices_are_found_by_how_their_names_begin(store: Store):
    for name in ("copying:b", "copying:a", "copyist", "moved"):
        store.write(lambda tx, name=name: tx.set_notice(name, name.encode()))
    assert store.read(lambda tx: list(tx.notices("copying:"))) == [
        ("copying:a", b"copying:a"),
        ("copying:b", b"copying:b"),
    ]
