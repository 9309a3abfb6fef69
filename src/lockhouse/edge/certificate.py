"""The certificate that new connections are shown, and how a renewed one takes its place while the server serves.

1. A pair of files is opened whole, into a context of its own, or not at all. Every handshake asks for the newest
   context (`sni_callback`, which is called for clients that name no host, too): none is shown half of a renewal.
2. Connections that are open keep what they began with.
3. A renewed pair that cannot be used is told in the log, once for each thing that is wrong with it. Until it can be
   used it is tried again, and the one before it is shown. So is one that has ended or not begun, while the one before
   it is valid.

The files are looked at every `LOOK_SECONDS`, and at once after SIGHUP. What is renewed bit by bit is read again, since
the look before the reading is the one that is compared with. Specification: docs/guide/tls.md.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import signal
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from lockhouse.bootstrap.certificates import Pair, development_certificate, open_pair
from lockhouse.config import Settings
from lockhouse.errors import SettingInvalid
from lockhouse.runtime.rounds import Rounds

LOOK_SECONDS = 5.0
WARN_DAYS = 14
"""Or a third of its life, if that is less: some live for a week, and are renewed in time."""
_DAY = 86400.0
_Seen = tuple[tuple[int, int, int] | None, ...]
"""Of each file: inode, time of change in ns, size; None: it is not there."""
_log = logging.getLogger("lockhouse.tls")


def open_served(settings: Settings, directory: Path) -> ServedCertificate:
    """What the settings say is to be served. Errors: `setting.invalid`."""
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is not None and key is not None:
        return ServedCertificate(certificate, key, hangup=True)
    public, now = urlsplit(settings.public_url).hostname or "", dt.datetime.now(dt.UTC)
    return ServedCertificate(*development_certificate(directory, settings.listen.host, now, public=public))


class ServedCertificate:
    """One server's. Errors of making it: `setting.invalid` when the pair cannot be used."""

    def __init__(
        self, certificate: Path, key: Path, *, hangup: bool = False, now: Callable[[], float] = time.time
    ) -> None:
        """`hangup`: SIGHUP means to look; it ends who develops on a terminal that closes."""
        self._files = (certificate, key)
        self._hangup = hangup
        self._now = now
        self._looking = threading.Lock()
        self._seen = self._see()
        self._pair = open_pair(certificate, key)
        self._refused = ""
        """What was last said of a renewed pair that cannot be used."""
        self._warned = 0.0
        self._asked: asyncio.Task[None] | None = None
        self.context = self._pair.context
        """For the listening socket."""
        self.context.sni_callback = self._show
        self._rounds = Rounds("look at the certificate", self.look, seconds=LOOK_SECONDS, log=_log)

    @property
    def ends(self) -> float:
        """When the one that is shown ends, as a Unix time."""
        return self._pair.ends.timestamp()

    def start(self) -> None:
        """Begin to look; call from the event loop."""
        self._rounds.start()
        if self._hangup:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._ask)

    async def stop(self) -> None:
        """End."""
        await self._rounds.stop()

    def _ask(self) -> None:
        self._asked = asyncio.create_task(self.look(asked=True))

    async def look(self, *, asked: bool = False) -> None:
        """Take up what was renewed; `asked`: whether or not the files seem to be others."""
        await asyncio.to_thread(self._look, asked)  # files may be on a network

    def _look(self, asked: bool) -> None:
        with self._looking:
            seen = self._see()
            if asked or self._refused or seen != self._seen:
                self._take_up(seen, asked=asked)
            self._warn()

    def _take_up(self, seen: _Seen, *, asked: bool) -> None:
        certificate, key = self._files
        try:
            pair = self._useful(open_pair(certificate, key))
        except SettingInvalid as wrong:
            if asked or self._refused != wrong.message:
                _log.error(
                    "Refused the renewed certificate: the one before it is still served, until %s; the files are tried "
                    "again every %.0f s error=%s hint=%s",
                    self._pair.ends.isoformat(),
                    LOOK_SECONDS,
                    wrong.message,
                    wrong.hint,
                )
            self._refused = wrong.message
            return
        self._seen, self._refused, self._warned = seen, "", 0.0
        self._pair = pair
        _log.info(
            "Serving a renewed certificate file=%s serial=%x end=%s", certificate, pair.serial, pair.ends.isoformat()
        )

    def _useful(self, pair: Pair) -> Pair:
        """The pair, unless clients would refuse it who accept the one before it."""
        now = dt.datetime.fromtimestamp(self._now(), dt.UTC)
        if _is_valid(self._pair, now) and not _is_valid(pair, now):
            said = f"ended at {pair.ends.isoformat()}" if pair.ends <= now else f"begins at {pair.begins.isoformat()}"
            raise SettingInvalid(
                f"cannot serve https with {self._files[0]}: it {said}",
                hint="renew it again, or set the clock of this machine; it is taken up when it is valid",
                setting="tls_cert",
            )
        return pair

    def _warn(self) -> None:
        """Once a day, while there is reason to."""
        now, pair = self._now(), self._pair
        left = dt.timedelta(seconds=pair.ends.timestamp() - now)
        early = pair.begins.timestamp() > now
        if not early and left >= min(dt.timedelta(days=WARN_DAYS), (pair.ends - pair.begins) / 3):
            return
        if now - self._warned < _DAY:
            return
        self._warned = now
        said = "ends soon" if left > dt.timedelta() else "has ended: clients refuse it"
        said = "has not begun: clients refuse it" if early else said
        hint = "renew it in place, without a restart" if self._hangup else "start the server again, which renews it"
        _log.warning(
            "Serving a certificate that %s file=%s end=%s hint=%s", said, self._files[0], pair.ends.isoformat(), hint
        )

    def _show(self, handshake: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        handshake.context = self._pair.context

    def _see(self) -> _Seen:
        return tuple(map(_look_at, self._files))


def _is_valid(pair: Pair, now: dt.datetime) -> bool:
    return pair.begins <= now < pair.ends


def _look_at(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
