"""The facts of a large state body that passes in pieces and is never held whole.

A document of 100 MB is nearly all `resources`. It is cut between two of them, or between two instances of one, and each
segment is decoded alone, between what the cut before it has left open and what the cut after it has to close. That is
exact: when `open + segment + close` is a document, then at the cut exactly those containers were open that `close`
ends, and what follows may be read behind the same ones. So a cut is a guess that the decoder proves or refuses, and all
segments are valid where the whole is. What is left, the document around its resources, is small and goes to
`bodies.read_facts`. Of an encryption envelope, what is left is all but the letters of its data.

Where no cut is found within `MOST_BYTES`, or anything is unusual, the answer is None: ask `read_facts` of the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from lockhouse.core.bodies import read_facts, stands_once, with_resources
from lockhouse.core.versions import Facts

SEGMENT_BYTES = 256 * 1024
"""Pieces are gathered to this size before they are looked at. Decoding keeps the interpreter to itself: it is short."""
MOST_BYTES = 4 * 1024 * 1024
"""Most that is held."""

_RESOURCES = re.compile(rb'(?<!\\)"resources"\s*:\s*\[')
_DATA = re.compile(rb'(?<!\\)"encrypted_data"\s*:\s*"')
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_"
_SEPARATOR = re.compile(rb'\}\s*,\s*\{\s*"(mode|module|schema_version|index_key|status|deposed)"\s*:')
"""Between two resources or two instances, which begin with these names. Source: Terraform, state format version 4."""
_RESOURCE_NAMES = frozenset({b"mode", b"module"})
_FIRST = b'{"":['
_OPEN = {2: b'{"":[0', 4: b'{"":[{"":[0'}
_CLOSE = {2: b"]}", 4: b"]}]}"}
_BEFORE_ARRAY = 4
"""Bytes of what is open before the array of resources."""
_NEAR = 16 * 1024
_FAR = 256 * 1024
"""A cut is looked for in so many bytes at the end of what is held; then in so many, and in all that came since the last
look."""

_decode_document = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_segment = msgspec.json.Decoder(dict[str, list[msgspec.Raw]]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_BROKEN = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class PassingFacts:
    """Fed with all pieces of one body in order."""

    __slots__ = (
        "_buffer",
        "_count",
        "_depth",
        "_head",
        "_in_data",
        "_least",
        "_most",
        "_open",
        "_searched",
        "_segment",
        "_separator",
        "_unsure",
    )

    def __init__(self, segment: int = SEGMENT_BYTES, most: int = MOST_BYTES) -> None:
        self._segment = segment
        self._most = most
        self._buffer = bytearray()
        """What is open, then the bytes that are held: a segment is decoded where it lies."""
        self._open = 0
        """Bytes of the first."""
        self._least = segment
        """Held bytes that are worth looking at."""
        self._searched = 0
        """Up to where in the buffer a cut was looked for, in vain."""
        self._head = b""
        """The document up to its resources and their bracket, or up to its encrypted data and their quote."""
        self._in_data = False
        self._depth = 0
        """Containers open where the held bytes begin; 0 before the first cut."""
        self._separator = b""
        """What stood where it was last cut."""
        self._count = 0
        """Resources that have begun before the held bytes."""
        self._unsure = False

    @property
    def held(self) -> int:
        """Bytes that are held."""
        return len(self._buffer) - self._open

    def feed(self, pieces: Iterable[bytes | memoryview]) -> None:
        """More of the body."""
        for piece in pieces:
            if self._unsure:
                return
            self._buffer += piece
            if self.held >= self._least:
                self._look()

    def finish(self) -> Facts | None:
        """The body has passed. None: ask `bodies.read_facts` of the whole."""
        if self._unsure:
            return None
        try:
            return self._end()
        except _BROKEN:
            return None

    def _look(self) -> None:
        if not self._head:
            self._begin()
        if self._in_data:
            if _are_letters(self._buffer):
                self._keep(b"", b"")
        elif self._head:
            self._cut()
        # What could not be cut is looked at again when there is twice as much of it.
        self._least = max(self._segment, 2 * self.held)
        if self.held >= self._most:
            self._unsure = True
            self._keep(b"", b"")

    def _keep(self, opened: bytes, rest: bytes | bytearray) -> None:
        self._buffer = bytearray(opened)
        self._buffer += rest
        self._open = len(opened)
        self._searched = 0

    def _begin(self) -> None:
        """Find the head; what follows it is held."""
        for pattern, close, in_data in ((_RESOURCES, b"]}", False), (_DATA, b'"}', True)):
            found = pattern.search(self._buffer)
            if found is None:
                continue
            head = bytes(self._buffer[: found.end()])
            try:
                top = _decode_document(head + close)
            except _BROKEN:
                continue
            if bytes(top.get("encrypted_data" if in_data else "resources", b"")) == (b'""' if in_data else b"[]"):
                self._head, self._in_data = head, in_data
                self._keep(b"" if in_data else _FIRST, self._buffer[found.end() :])
                return

    def _cut(self) -> None:
        """Decode up to the last place where it can be cut; what follows it is held."""
        buffer = self._buffer
        for separator, at, depth in self._guesses():
            rest = buffer[at:]
            buffer[at:] = _CLOSE[depth]
            try:
                begun = self._begun(_decode_segment(buffer)[""])
            except _BROKEN:
                buffer[at:] = rest
                continue
            self._count += begun
            self._depth, self._separator = depth, separator
            self._keep(_OPEN[depth], rest)
            return
        self._searched = len(buffer)

    def _guesses(self) -> Iterator[tuple[bytes, int, int]]:
        """(what stands there, where it may be cut (behind a `}`), how many containers are open there): the last place
        like the one of the cut before, which is nearly always right; then the last one with each name."""
        buffer = self._buffer
        if self._separator:
            at = buffer.rfind(self._separator, self._open)
            if at >= 0:
                yield self._separator, at + 1, self._depth
        for low in (len(buffer) - _NEAR, min(len(buffer) - _FAR, self._searched - _NEAR)):
            places = _SEPARATOR.finditer(buffer, max(self._open, low))
            last = {found[1]: (found.start(), found[0]) for found in places}
            for name, (at, separator) in sorted(last.items(), key=lambda each: -each[1][0]):
                yield bytes(separator), at + 1, 2 if bytes(name) in _RESOURCE_NAMES else 4

    def _begun(self, array: list[msgspec.Raw]) -> int:
        """How many resources begin in a segment: the first of what is open was counted before, or is none."""
        return len(array) - (1 if self._depth else 0)

    def _end(self) -> Facts | None:
        document = bytes(self._buffer)
        self._keep(b"", b"")
        if not self._head:
            return read_facts(document)
        if self._in_data:
            letters, quote, tail = document.partition(b'"')
            if not quote or not _are_letters(letters):
                return None
            rest = self._head + b'"' + tail
            return read_facts(rest) if stands_once(rest, "encrypted_data") else None
        array = _decode_document(document)[""]
        end = _BEFORE_ARRAY + len(memoryview(array))
        if document[_BEFORE_ARRAY:end] != bytes(array):
            return None  # a second value of this name
        rest = self._head + b"]" + document[end:]
        return with_resources(read_facts(rest), rest, self._count + self._begun(_decode_list(array)))


def _are_letters(text: bytes | bytearray) -> bool:
    return not text.translate(None, _LETTERS)
