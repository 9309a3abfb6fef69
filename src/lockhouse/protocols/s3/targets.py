"""Which bucket and key a request is for, path style or virtual-host style, exactly as sent.

Keys keep every slash, dot and byte: only the percent encoding is taken off, once. Source: Amazon S3 User Guide,
"Virtual hosting of buckets"; PROTOCOLS 2.2.
"""

from __future__ import annotations

from lockhouse.core.addresses import check_key, check_namespace
from lockhouse.errors import RequestInvalid
from lockhouse.protocols.web import Request, is_text, unescape


def read_target(request: Request, public_host: str) -> tuple[str, str]:
    """(bucket or empty, key or empty). Errors: `namespace.invalid`, `request.invalid` (key, or a query that is no
    text)."""
    if request.raw_query and b"%" in request.raw_query and not all(is_text(value) for _, value in request.query):
        raise RequestInvalid(
            "cannot read this address: it is not UTF-8",
            hint="encode it in UTF-8 and then in percents",
            argument="query",
        )
    bucket = _host_bucket(request.headers.get("host") or "", public_host) if public_host else ""
    if bucket:
        key = unescape(request.raw_path[1:])
    else:
        raw_bucket, _, raw_key = request.raw_path[1:].partition(b"/")
        bucket, key = unescape(raw_bucket), unescape(raw_key)
        if request.raw_path == b"/":
            return "", ""
    check_namespace(bucket)
    if key:
        check_key(key)
    return bucket, key


def _host_bucket(host: str, public_host: str) -> str:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    suffix = "." + public_host.lower()
    return name[: -len(suffix)] if name.lower().endswith(suffix) else ""
