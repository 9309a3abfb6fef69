"""What a stored body is made of: the steps from a whole one down to it, each opened with its own key.

A row holds a zstd frame; a blob holds plain bytes, or a frame where the body says so (`framed`). A body with a base
is a frame over the plain bytes of that base (`under`). To read a body without Lockhouse: open each step with its key,
then `zstd -d --patch-from` one after the other. Opening takes the disk: for worker threads.
"""

from __future__ import annotations

from collections.abc import Iterator

from lockhouse.core.versions import Body
from lockhouse.deltas.workers import PIECE_BYTES, Chain, Layer, damaged
from lockhouse.sealing.bodies import Bodies

HERE_BYTES = 1024 * 1024
"""Chains of bodies up to this size are unpacked in this process: starting another one takes longer, and the memory is
no more than a request of that size takes."""
_MOST_STEPS = 64


def is_packed(body: Body) -> bool:
    """Whether reading it takes more than opening a blob or a row."""
    return bool(body.base) or body.framed


def chain_of(body: Body, bodies: Bodies) -> Chain:
    """The steps of a body that was read with its bytes. Errors: `storage.unavailable` when one cannot be opened."""
    steps: list[Body] = [body]
    while steps[-1].base:
        under = steps[-1].under
        if under is None or len(steps) == _MOST_STEPS:
            raise damaged("the version that it is packed against is missing")
        steps.append(under)
    return Chain([_layer(step, bodies) for step in reversed(steps)], body.sha256)


def _layer(body: Body, bodies: Bodies) -> Layer:
    if not body.blob:
        frame = bodies.frame_of(body)
        return Layer("frame", body.size, len(frame), lambda: iter((frame,)))
    if not body.framed:
        return Layer("plain", body.size, body.size, lambda: _pieces(body, bodies))
    reader = bodies.open(body)
    try:
        return Layer("frame", body.size, reader.size, lambda: _pieces(body, bodies))
    finally:
        reader.close()


def _pieces(body: Body, bodies: Bodies) -> Iterator[bytes]:
    reader = bodies.open(body)
    try:
        for offset in range(0, reader.size, PIECE_BYTES):
            yield reader.read(offset, min(PIECE_BYTES, reader.size - offset))
    finally:
        reader.close()
