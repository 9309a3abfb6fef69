"""What a completing request says of the whole object, compared before it becomes one.

A checksum of the whole is `COMPOSITE` (that of the parts' checksums, and their number) or `FULL_OBJECT` (of the bytes,
computed as the parts are joined). Source: Amazon S3 User Guide, "Checking object integrity", "multipart uploads".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec

from lockhouse.errors import BodyDigestInvalid, BodyDigestMismatch, RequestInvalid
from lockhouse.protocols.aws.checksums import CHECKSUM_BYTES, Checksums, decode_digest
from lockhouse.protocols.web import Headers
from lockhouse.runtime.streams import Piece
from lockhouse.service.uploads import Template
from lockhouse.service.versions import Put

FULL_OBJECT = "FULL_OBJECT"
_ONLY_FULL = frozenset({"crc64nvme"})
_NEVER_FULL = frozenset({"sha1", "sha256"})


def check_template(template: Template) -> None:
    """RequestInvalid (`request.invalid`) for a checksum that an upload cannot have."""
    algorithm, kind = template.checksum_algorithm, template.checksum_type
    if kind not in ("", "COMPOSITE", FULL_OBJECT) or (kind and not algorithm):
        raise RequestInvalid(
            f"cannot use the checksum type {kind[:20]!r}",
            hint="COMPOSITE or FULL_OBJECT, with x-amz-checksum-algorithm",
            argument="combination",
        )
    if (kind == FULL_OBJECT and algorithm in _NEVER_FULL) or (kind == "COMPOSITE" and algorithm in _ONLY_FULL):
        raise RequestInvalid(
            f"cannot use the checksum type {kind} with {algorithm.upper()}",
            hint="leave x-amz-checksum-type out: each algorithm has its own",
            argument="combination",
        )


def checksum_type(template: Template) -> str:
    """Of an upload with a checksum: as it was asked for, else what its algorithm has."""
    return template.checksum_type or (FULL_OBJECT if template.checksum_algorithm in _ONLY_FULL else "COMPOSITE")


def check_part(template: Template, checksums: Mapping[str, str]) -> None:
    """Errors: RequestInvalid for a part with a checksum of another kind than the whole will have."""
    algorithm = template.checksum_algorithm
    if algorithm and checksums and algorithm not in checksums:
        raise RequestInvalid(
            f"cannot take a part with {', '.join(checksums).upper()}: the upload was begun with {algorithm.upper()}",
            hint=f"send x-amz-checksum-{algorithm}",
            argument="combination",
        )


class Whole:
    """One completing request's claims."""

    def __init__(self, headers: Headers, template: Template) -> None:
        """Errors: `body.digest_invalid`, `request.invalid`."""
        stated = [(name, text) for name in CHECKSUM_BYTES if (text := headers.get(f"x-amz-checksum-{name}"))]
        if len(stated) > 1:
            raise BodyDigestInvalid("cannot take several checksums of one object: send one x-amz-checksum- header")
        self._name, text = stated[0] if stated else ("", "")
        announced = template.checksum_algorithm
        if self._name and announced and self._name != announced:
            raise RequestInvalid(
                f"cannot verify {self._name.upper()}: the upload was begun with {announced.upper()}",
                hint=f"send x-amz-checksum-{announced}, or begin the upload with {self._name.upper()}",
                argument=f"x-amz-checksum-{self._name}",
            )
        self._name = self._name or announced
        self._stated = b""
        if text:
            header = f"x-amz-checksum-{self._name}"
            self._stated = decode_digest(text.partition("-")[0], CHECKSUM_BYTES[self._name], header)
        self.full = bool(self._name) and (
            not announced or template.checksum_type == FULL_OBJECT or announced in _ONLY_FULL
        )
        size = headers.get("x-amz-mp-object-size")
        if size is not None and not (size.isascii() and size.isdigit() and len(size) < 20):
            raise RequestInvalid(
                f"cannot read x-amz-mp-object-size {size[:20]!r}",
                hint="send the size of the whole object in bytes, or leave it out",
                argument="x-amz-mp-object-size",
            )
        self._size = int(size) if size is not None else None
        self._running = Checksums(frozenset({self._name} if self.full else ()))

    def passed(self, piece: Piece) -> None:
        """A piece of the object, in order."""
        if self.full:
            self._running.update(bytes(piece))

    def settled(self, command: Put) -> Put:
        """The command with the checksum of the whole. Errors: `body.digest`, `request.invalid` (size)."""
        size = command.body.size
        if self._size is not None and self._size != size:
            raise RequestInvalid(
                f"cannot complete the upload: its parts have {size} bytes, and x-amz-mp-object-size is {self._size}",
                hint="aws s3api list-parts shows what came: upload what is missing, or leave the size out",
                argument="x-amz-mp-object-size",
            )
        if self.full:
            digest = {**self._running.digests(), "sha256": command.body.sha256}[self._name]
            self._compare(digest)
            text = base64.b64encode(digest).decode("ascii")
            return msgspec.structs.replace(command, checksums={self._name: text})
        if self._stated:
            composite = command.checksums.get(self._name, "")
            self._compare(base64.b64decode(composite.partition("-")[0]))
        return command

    def _compare(self, digest: bytes) -> None:
        if self._stated and digest != self._stated:
            raise BodyDigestMismatch(
                f"cannot complete the upload: its {self._name.upper()} checksum is not the one that was sent",
                kind=self._name,
            )
