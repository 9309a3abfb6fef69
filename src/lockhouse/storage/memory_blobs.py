"""Blobs in rows of the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class BlobMaps:
    """The maps that blobs need."""

    blobs: dict[str, tuple[float, int, bool]] = field(default_factory=dict)
    """(at, size, finished)."""
    blob_pieces: dict[tuple[str, int], bytes] = field(default_factory=dict)


class BlobReads:
    """The part of `Reader` about blobs in rows."""

    _maps: BlobMaps

    def blob_size(self, name: str) -> int | None:
        found = self._maps.blobs.get(name)
        return found[1] if found is not None and found[2] else None

    def blob_piece(self, name: str, number: int) -> bytes | None:
        return self._maps.blob_pieces.get((name, number))

    def blobs(self, after: str = "", limit: int = 1000) -> Sequence[tuple[str, float, bool]]:
        names = sorted(name for name in self._maps.blobs if name > after)
        return [(name, self._maps.blobs[name][0], self._maps.blobs[name][2]) for name in names[:limit]]


class BlobWrites(BlobReads):
    """The part of `Transaction` about blobs in rows."""

    def add_blob_piece(self, name: str, at: float, number: int, piece: bytes) -> None:
        if (name, number) in self._maps.blob_pieces:
            raise ValueError(f"piece {number} of {name} is there already")
        self._maps.blobs.setdefault(name, (at, 0, False))
        self._maps.blob_pieces[name, number] = piece

    def finish_blob(self, name: str, at: float, size: int, pieces: int) -> None:  # noqa: ARG002 - counted by the keys
        self._maps.blobs[name] = (at, size, True)

    def delete_blob(self, name: str) -> None:
        self._maps.blobs.pop(name, None)
        for place in list(self._maps.blob_pieces):
            if place[0] == name:
                del self._maps.blob_pieces[place]
