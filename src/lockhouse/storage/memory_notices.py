"""Notices of the reference store, in the plainest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class NoticeMaps:
    """The map that notices need."""

    notices: dict[str, bytes] = field(default_factory=dict)


class NoticeReads:
    """The part of `Reader` about notices."""

    _maps: NoticeMaps

    def notices(self, prefix: str = "") -> Sequence[tuple[str, bytes]]:
        return sorted((name, body) for name, body in self._maps.notices.items() if name.startswith(prefix))


class NoticeWrites(NoticeReads):
    """The part of `Transaction` about notices."""

    def set_notice(self, name: str, body: bytes | None) -> None:
        if body is None:
            self._maps.notices.pop(name, None)
        else:
            self._maps.notices[name] = body
