"""What a body is: a Terraform state, an OpenTofu encryption envelope, or plain bytes.

Only the head of the document is decoded (typed decoding skips attributes: 18 ms and no memory for 50 MB), but the whole
text is checked to be JSON, so a cut-off body is never taken for a state. Sources: Terraform state format (`version`,
`terraform_version`, `serial`, `lineage`, `outputs`, `resources`); OpenTofu state encryption (`encrypted_data`,
`encryption_version`, with `serial` and `lineage` in clear).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from lockhouse.core.versions import Facts

SNIFF_BYTES = 4096
_HINTS = (b'"version"', b'"serial"', b'"lineage"', b'"encrypted_data"', b'"terraform_version"', b'"meta"')
_SERIAL = re.compile(rb'"serial"\s*:\s*(\d+)')


_decode_document = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_int = msgspec.json.Decoder(int).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw] | None).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_map = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode


def might_be_state(head: bytes) -> bool:
    """Whether a body that starts with these bytes (at least `SNIFF_BYTES` of it) is worth decoding as a state."""
    text = head.lstrip()
    return text.startswith(b"{") and any(hint in text for hint in _HINTS)


def read_facts(body: Any) -> Facts | None:  # noqa: ANN401 - any object with the buffer protocol
    """The facts of a state body (bytes, or a memory map of it), or None when it is not one.

    None for: not JSON, cut off, not an object, neither a `version` of 1 or more nor an encryption envelope, a negative
    or fractional serial, `serial` or `lineage` given twice (also in another case: Go matches names without case).
    """
    try:
        around = _around_resources(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        around = None
    if around is not None:
        rest, count = around
        facts = with_resources(_read(rest), rest, count)
        if facts is not None:
            return facts
    return _read(body)


def with_resources(facts: Facts | None, rest: bytes, count: int) -> Facts | None:
    """The facts of a document whose resources were taken out and counted apart, given those of the `rest`, in which
    their array is empty. None where it was not the one value of this name: only a look at the whole can tell."""
    if facts is None or facts.resources or not stands_once(rest, "resources"):
        return None
    return msgspec.structs.replace(facts, resources=count)


def stands_once(document: bytes, name: str) -> bool:
    """Whether a name (lower case) stands once in the top level of a valid document, in any case and however escaped."""
    return _written_once(document, b'"%b"' % name.encode()) or _top_level(document).get(name, 0) == 1


def _written_once(document: bytes, quoted: bytes) -> bool:
    """Whether these letters (lower case) stand once in the whole document, in any case, and none is escaped."""
    return document.lower().count(quoted) == 1 and document.find(b"\\u") < 0


def _around_resources(body: Any) -> tuple[bytes, int] | None:  # noqa: ANN401 - as read_facts
    """(the document with an empty array for its resources, how many these were): each byte is decoded once. None where
    the array does not end as Terraform's do. Raises when what is taken for the array is none."""
    found = _RESOURCES.search(body, 0, _NEAR)
    end = _array_end(body, found.end()) if found is not None else 0
    if found is None or not end:
        return None
    start = found.end()
    head = body[:start]
    rest = head + b"[]" + body[end:]
    # Where the name stands more than once, only what is before the array tells whether it is that of the top level.
    if _written_once(rest, b'"resources"') or bytes(_decode_document(head + b"[]}").get("resources", b"")) == b"[]":
        return rest, len(_decode_array(memoryview(body)[start:end]))
    return None


def _array_end(body: Any, start: int) -> int:  # noqa: ANN401 - as read_facts
    """Where the array of resources that begins at `start` ends if it ends as Terraform's do, before `check_results` or
    the end of the document; else 0. A guess: decoding proves it."""
    first = max(start, len(body) - _TAIL)
    tail = body[first:]
    for mark, comma in ((b'"check_results"', b","), (b"}", b"")):
        before = tail.rpartition(mark)[0].rstrip(_SPACE)
        array = before.removesuffix(comma).rstrip(_SPACE)
        if before.endswith(comma) and array.endswith(b"]"):
            return first + len(array)
    return 0


def _read(body: Any) -> Facts | None:  # noqa: ANN401 - as read_facts
    try:
        top = _decode_document(body)
        encrypted = "encrypted_data" in top and bool(_decode_text(top.get("encryption_version", b'""')))
        version = _decode_int(top.get("version", b"0"))
        serial = _decode_int(top.get("serial", b"0"))
        if not (encrypted or version >= 1) or not 0 <= serial < 2**64 or _is_ambiguous(top, body):
            return None
        resources = _decode_list(top.get("resources", b"null"))
        outputs = _decode_map(top.get("outputs", b"null"))
        return Facts(
            serial=serial,
            lineage=_decode_text(top.get("lineage", b'""')),
            terraform_version=_decode_text(top.get("terraform_version", b'""')),
            encrypted=encrypted,
            resources=-1 if resources is None else len(resources),
            outputs=-1 if outputs is None else len(outputs),
        )
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def with_serial(body: bytes, serial: int) -> bytes:
    """The same document with another top-level serial; every other byte stays. Only for state bodies.

    Encryption envelopes are returned unchanged: their serial is part of what the client authenticates.
    """
    facts = read_facts(body)
    if facts is None or facts.encrypted:
        return body
    for match in _SERIAL.finditer(body):
        changed = body[: match.start(1)] + str(serial).encode() + body[match.end(1) :]
        found = read_facts(changed)
        if found is not None and found.serial == serial:
            return changed
    return body


def _is_ambiguous(top: dict[str, msgspec.Raw], body: Any) -> bool:  # noqa: ANN401 - as read_facts
    lowered = [name.lower() for name in top]
    if lowered.count("serial") > 1 or lowered.count("lineage") > 1:
        return True
    text = _without_resources(top, body) if len(body) > _SHORT else body
    for name, quoted in (("serial", b'"serial"'), ("lineage", b'"lineage"')):
        if (name in lowered and name not in top) or text.find(quoted, text.find(quoted) + 1) > 0:
            break
    else:
        if _ESCAPED_NAME.search(text) is None:
            return False
    counts = _top_level(text)
    return counts.get("serial", 0) > 1 or counts.get("lineage", 0) > 1


def _without_resources(top: dict[str, msgspec.Raw], body: Any) -> Any:  # noqa: ANN401 - as read_facts
    """The document without the value of its first `resources`, in which no name of the top level can stand; the whole
    document where that is not surely found. The document is valid JSON."""
    value = top.get("resources")
    found = _RESOURCES.search(body, 0, _NEAR)
    if value is None or found is None:
        return body
    start, held = found.end(), memoryview(value)
    end = start + len(held)
    for at in range(0, len(held), _COMPARED):
        if body[start + at : min(end, start + at + _COMPARED)] != bytes(held[at : at + _COMPARED]):
            return body
    return body[:start] + body[end:]


def _top_level(body: Any) -> dict[str, int]:  # noqa: ANN401 - as read_facts
    """How often each top-level name (lower case) stands in the document."""
    names: dict[str, int] = {}
    depth = 0
    for match in _TOKEN.finditer(body):
        token = match.group()
        first = token[:1]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
        elif depth == 1 and match.group(1) is not None:
            try:
                name = str(msgspec.json.decode(match.group(1))).lower()
            except msgspec.DecodeError:
                continue
            names[name] = names.get(name, 0) + 1
    return names


_RESOURCES = re.compile(rb'"resources"[ \t\r\n]*:[ \t\r\n]*(?=\[)')
_SPACE = b" \t\r\n"
_NEAR = 1024 * 1024
_TAIL = 4096
"""Where the resources are expected to end."""
_SHORT = 4096
"""Documents up to this size are searched as a whole."""
_COMPARED = 256 * 1024
_ESCAPED_NAME = re.compile(rb'\\u00[^"]*"\s*:')
_TOKEN = re.compile(rb'("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
