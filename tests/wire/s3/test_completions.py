"""Completions of one multipart upload that meet, which only a house in this process can be made to do in one order."""

import hashlib
from pathlib import Path
from xml.etree import ElementTree as ET

from lockhouse.core.principals import Right
from tests.wire.access.world import NAMESPACE, Ask, World


def test_a_completion_that_meets_its_own_repetition_is_the_same_success(tmp_path: Path):
    """A client that waited too long for the answer sends it again while the first one still reads the parts."""
    world = World(tmp_path)
    try:
        who = world.person("writer", tuple(Right))
        world._begin_upload(who)
        complete = world.house.complete_upload
        first = []

        async def complete_after_the_first(*given, **more):
            first.append(await complete(*given, **more))
            return await complete(*given, **more)

        world.house.complete_upload = complete_after_the_first
        part = f"<Part><PartNumber>1</PartNumber><ETag>{hashlib.md5(b'part').hexdigest()}</ETag></Part>"
        body = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
        path = f"/{NAMESPACE}/parts.txt"
        again = world.ask_again(who, Ask("POST", f"{path}?uploadId=upload-of-writer", body, service="s3"))
        assert (again.status, ET.fromstring(again.body).findtext("{*}ETag")) == (200, f'"{first[0].version.etag}"')
        found = world.ask_again(who, Ask("GET", path, service="s3"))
        assert (found.status, found.body) == (200, b"part")
    finally:
        world.close()
