"""What the answers have promised, checked on every replica once all is quiet.

Every acknowledged body of every state is there, in the order of its serials and byte for byte; the newest is the last
that was acknowledged, or the one that was asked for and not answered; and nothing was written between them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tests.e2e.clouds import Cloud
from tests.fleet.traffic import SLOWEST, Book, Chain

ANSWERS = ("ok", "held", "503")
"""Outcomes that are answers; a connection that ended tells by itself that there is none."""


def problems(book: Book, replicas: Sequence[Cloud]) -> list[str]:
    """What was promised and is not so; empty when all is well."""
    late = [
        f"an answer ({outcome}) took {seconds:.1f} s"
        for outcome, seconds in book.slowest.items()
        if outcome in ANSWERS and seconds > SLOWEST
    ]
    missing = [problem for replica in replicas for chain in book.chains for problem in _of_chain(chain, replica)]
    return [*book.broken, *late, *dict.fromkeys(missing)]


def _of_chain(chain: Chain, replica: Cloud) -> list[str]:
    s3 = replica.sdk("s3")
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=chain.namespace, Prefix=chain.key)
    listed = [version for page in pages for version in page.get("Versions", ()) if version["Key"] == chain.key]
    stored = [version["ETag"].strip('"') for version in reversed(listed)]
    wanted = [hashlib.md5(body).hexdigest() for body in chain.acknowledged]
    asked = hashlib.md5(chain.asked).hexdigest() if chain.asked else ""
    if stored == wanted or (asked and stored == [*wanted, asked]):
        newest = s3.get_object(Bucket=chain.namespace, Key=chain.key)["Body"].read() if stored else b""
        torn = stored and hashlib.md5(newest).hexdigest() != stored[-1]
        return [f"{chain.key}: the newest version is torn"] if torn else []
    lost = [serial for serial, digest in enumerate(wanted, 1) if digest not in stored]
    extra = [place for place, digest in enumerate(stored, 1) if digest not in {*wanted, asked}]
    return [
        (
            f"{chain.key}: of {len(wanted)} acknowledged versions {len(lost)} are lost ({lost[:5]}), "
            f"{len(extra)} are there that nobody was told of ({extra[:5]}), {len(stored)} are stored"
        )
    ]
