"""Multipart uploads: create, put parts, list, complete, abort.

Parts are durable on their own; the object appears only with `complete`, whose caller has written the parts one after
the other into one body first. Limits are those of S3: 10,000 parts, at least 5 MiB each but the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from lockhouse.core.addresses import LAST, Address, check_key
from lockhouse.core.paging import paged
from lockhouse.core.ports import Reader, Transaction
from lockhouse.core.principals import Right, require_listing, require_writing
from lockhouse.core.records import Part, Upload
from lockhouse.errors import RequestInvalid, UploadNotFound, UploadPartInvalid
from lockhouse.service import audit, namespaces, objects
from lockhouse.service.callers import Caller
from lockhouse.service.listings import is_common
from lockhouse.service.versions import Put, Refused, Written

MIN_PART_BYTES = 5 * 1024 * 1024
MAX_PARTS = 10_000
_PAGE = 500


class Template(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the creating request said of the object to be."""

    content_type: str = ""
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    encryption: dict[str, str] = {}
    checksum_algorithm: str = ""
    checksum_type: str = ""
    tags: dict[str, str] = {}


class ListedPart(msgspec.Struct, frozen=True):
    """A part as the completing request names it."""

    number: int
    etag: str
    checksums: dict[str, str] = {}
    """By algorithm; compared with those that the part came with."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Template).decode


def create(tx: Transaction, caller: Caller, address: Address, upload_id: str, template: Template) -> Upload:
    """Begin an upload. Needs `apply` or `write`. Errors: `access.denied`, `namespace.not_found`, `request.invalid`
    (key)."""
    namespaces.address_in(tx, caller, address)
    check_key(address.key)
    require_writing(caller.who, *address)
    upload = Upload(upload_id, address, caller.now, caller.who.principal, _encode(template))
    tx.add_upload(upload)
    audit.note(tx, caller, "upload.begin", address, subject=upload_id)
    return upload


def get(tx: Reader, caller: Caller, address: Address, upload_id: str) -> Upload:
    """The upload, for its own principal. Errors: `upload.not_found` (also for another's: ids are opaque),
    `access.denied`, `namespace.not_found`."""
    namespaces.address_in(tx, caller, address)
    require_writing(caller.who, *address)
    upload = tx.upload(upload_id)
    if upload is None or upload.address != address or upload.principal != caller.who.principal:
        raise UploadNotFound(
            f"cannot find upload {upload_id!r} of {address.lock_id}: it was completed, aborted or never begun",
            hint="begin again: aws s3api create-multipart-upload",
        )
    return upload


def template_of(upload: Upload) -> Template:
    return _decode(upload.template)


def put_part(tx: Transaction, caller: Caller, address: Address, upload_id: str, part: Part) -> None:
    """Keep a part; the same number again replaces it. Errors as `get`; `request.invalid` for a number out of range."""
    get(tx, caller, address, upload_id)
    if not 1 <= part.number <= MAX_PARTS:
        raise RequestInvalid(
            f"cannot use part number {part.number}: it must be between 1 and {MAX_PARTS}",
            hint="cut the body into fewer, larger parts",
            argument="partNumber",
        )
    tx.save_part(upload_id, part)
    audit.note(tx, caller, "upload.part", address, subject=upload_id, detail=f"part {part.number}")


def list_parts(
    tx: Reader, caller: Caller, address: Address, upload_id: str, after: int = 0, limit: int = 1000
) -> tuple[Upload, Sequence[Part]]:
    """The parts so far, in order. Errors as `get`."""
    upload = get(tx, caller, address, upload_id)
    return upload, tx.parts(upload_id, after, limit)


def every(tx: Reader, namespace: str) -> Iterator[Upload]:
    """All unfinished uploads of a namespace in (key, id) order, whoever asks."""
    return paged(
        lambda place: tx.uploads(namespace, after=place, limit=_PAGE),
        ("", ""),
        lambda each: (each.address.key, each.id),
    )


def list_uploads(
    tx: Reader,
    caller: Caller,
    namespace: str,
    prefix: str = "",
    after: tuple[str, str] = ("", ""),
    limit: int = 1000,
    delimiter: str = "",
) -> Sequence[Upload | str]:
    """Unfinished uploads in (key, id) order, and with a delimiter common prefixes as plain strings among them. `after`
    is exclusive: a key and an id, or a common prefix, which is stepped over as a whole. Needs `read` on the prefix."""
    namespaces.get(tx, caller, namespace)
    require_listing(caller.who, (Right.READ,), namespace, prefix)
    if not delimiter:
        return tx.uploads(namespace, prefix, after, limit)
    if is_common(after[0], prefix, delimiter):
        after = (after[0] + LAST, "")
    shown: list[Upload | str] = []
    while len(shown) < limit and (page := tx.uploads(namespace, prefix, after, min(limit, _PAGE))):
        for upload in page[: limit - len(shown)]:
            key = upload.address.key
            cut = key.find(delimiter, len(prefix))
            if cut >= 0:
                common = key[: cut + len(delimiter)]
                shown.append(common)
                after = (common + LAST, "")
                break
            shown.append(upload)
            after = (key, upload.id)
    return shown


def choose_parts(
    tx: Reader, caller: Caller, address: Address, upload_id: str, listed: Sequence[ListedPart]
) -> tuple[Upload, list[Part]]:
    """The parts that the completing request names, checked: ascending, present, same ETag and checksums, large enough.

    Errors: `upload.part_invalid` (details `why`: `order`, `missing`, `small`), `upload.not_found`."""
    upload = get(tx, caller, address, upload_id)
    parts = paged(lambda after: tx.parts(upload_id, after), 0, lambda each: each.number)
    held = {part.number: part for part in parts}
    chosen: list[Part] = []
    for item in listed:
        if chosen and item.number <= chosen[-1].number:
            raise UploadPartInvalid("cannot complete the upload: the parts are not in ascending order", why="order")
        part = held.get(item.number)
        if part is None or part.body.md5.hex() != item.etag:
            raise UploadPartInvalid(
                f"cannot complete the upload: part {item.number} is missing or has another ETag", why="missing"
            )
        if any(part.checksums.get(name, value) != value for name, value in item.checksums.items()):
            raise UploadPartInvalid(
                f"cannot complete the upload: part {item.number} has another checksum", why="missing"
            )
        chosen.append(part)
    if not chosen:
        raise UploadPartInvalid("cannot complete the upload: it names no part", why="missing")
    for part in chosen[:-1]:
        if part.body.size < MIN_PART_BYTES:
            raise UploadPartInvalid(
                f"cannot complete the upload: part {part.number} has {part.body.size} bytes, at least "
                f"{MIN_PART_BYTES} are needed",
                why="small",
            )
    return upload, chosen


def complete(tx: Transaction, caller: Caller, upload_id: str, command: Put) -> Written | Refused:
    """Make the object, under the same rules as a single put, and end the upload.

    When the write is refused the upload ends too: its bytes are parked as a whole."""
    get(tx, caller, command.address, upload_id)
    result = objects.put(tx, caller, command)
    tx.delete_upload(upload_id)
    return result


def abort(tx: Transaction, caller: Caller, address: Address, upload_id: str) -> None:
    """Forget the upload and its parts. Errors as `get`."""
    get(tx, caller, address, upload_id)
    tx.delete_upload(upload_id)
    audit.note(tx, caller, "upload.abort", address, subject=upload_id)
