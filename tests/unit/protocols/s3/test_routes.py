"""The table of routes: complete, and nothing falls through it."""

import pytest

from lockhouse.errors import MethodNotAllowed, NamespaceInvalid, OperationUnsupported, RequestInvalid
from lockhouse.protocols.s3.routes import NOT_OFFERED, ROUTES, Access, Place, find_route
from lockhouse.protocols.s3.targets import read_target
from tests.unit.protocols.s3.requests import request


def name_of(method, path, query=b"", **headers):
    asked = request(method, path, query, **headers)
    return find_route(asked, *read_target(asked, "")).name


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", b"/", b"", "ListBuckets"),
        ("GET", b"/tfs", b"list-type=2&prefix=env%3A%2F", "ListObjectsV2"),
        ("GET", b"/tfs", b"max-keys=1000&prefix=env%3A%2F", "ListObjects"),
        ("GET", b"/tfs/", b"list-type=2", "ListObjectsV2"),
        ("GET", b"/tfs", b"versions", "ListObjectVersions"),
        ("GET", b"/tfs", b"acl=", "GetBucketAcl"),
        ("GET", b"/tfs", b"location", "GetBucketLocation"),
        ("GET", b"/tfs", b"object-lock", "GetBucketObjectLockConfiguration"),
        ("PUT", b"/tfs", b"publicAccessBlock", "PutBucketPublicAccessBlock"),
        ("POST", b"/tfs", b"delete", "DeleteObjects"),
        ("PUT", b"/tfs", b"", "CreateBucket"),
        ("HEAD", b"/tfs", b"", "HeadBucket"),
        ("PUT", b"/tfs/a/b", b"x-id=PutObject", "PutObject"),
        ("GET", b"/tfs//a", b"x-id=GetObject&versionId=1.a", "GetObject"),
        ("POST", b"/tfs/a", b"uploads=", "CreateMultipartUpload"),
        ("PUT", b"/tfs/a", b"partNumber=1&uploadId=x", "UploadPart"),
        ("POST", b"/tfs/a", b"uploadId=x", "CompleteMultipartUpload"),
        ("DELETE", b"/tfs/a", b"uploadId=x", "AbortMultipartUpload"),
        ("GET", b"/tfs/a", b"tagging&versionId=1.a", "GetObjectTagging"),
    ],
)
def test_requests_find_their_operation(method, path, query, expected):
    assert name_of(method, path, query) == expected


def test_a_copy_is_told_by_its_header():
    assert name_of("PUT", b"/tfs/a", x_amz_copy_source="tfs/b") == "CopyObject"
    assert name_of("PUT", b"/tfs/a", b"partNumber=1&uploadId=x", x_amz_copy_source="tfs/b") == "UploadPartCopy"


@pytest.mark.parametrize("marker", sorted(NOT_OFFERED))
@pytest.mark.parametrize("path", [b"/tfs", b"/tfs/a"])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_what_s3_has_and_we_have_not_never_reads_or_writes_the_object(method, path, marker):
    with pytest.raises(OperationUnsupported):
        name_of(method, path, marker.encode())


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("POST", b"/tfs/a", b""),
        ("PATCH", b"/tfs/a", b""),
        ("DELETE", b"/", b""),
        ("DELETE", b"/tfs", b"versioning"),
        ("PUT", b"/tfs", b"location"),
    ],
)
def test_other_methods_are_405_and_name_the_right_ones(method, path, query):
    with pytest.raises(MethodNotAllowed) as caught:
        name_of(method, path, query)
    assert caught.value.details["allow"]


def test_two_sub_resources_at_once_are_refused():
    with pytest.raises(RequestInvalid):
        name_of("PUT", b"/tfs/a", b"tagging&uploadId=x")


def test_every_row_says_who_may():
    assert len({(route.place, route.method, route.marker) for route in ROUTES}) == len(ROUTES)
    assert len({route.name for route in ROUTES}) == len(ROUTES)
    writes = [route for route in ROUTES if route.method in ("PUT", "POST", "DELETE")]
    assert all(route.access in (Access.WRITE, Access.ADMIN) for route in writes)
    assert all(
        route.access is Access.ADMIN for route in writes if route.place is Place.BUCKET and route.marker != "delete"
    )


@pytest.mark.parametrize(
    ("path", "host", "expected"),
    [
        (b"/tfs/env%3A/dev/app.tfstate", "127.0.0.1:7373", ("tfs", "env:/dev/app.tfstate")),
        (b"/tfs//double//slash", "127.0.0.1", ("tfs", "/double//slash")),
        (b"/tfs/../../etc/passwd", "127.0.0.1", ("tfs", "../../etc/passwd")),
        (b"/tfs/%2e%2e%2f", "127.0.0.1", ("tfs", "../")),
        (b"/tfs/a+b%20c", "127.0.0.1", ("tfs", "a+b c")),
        (b"/tfs/a%252Fb", "127.0.0.1", ("tfs", "a%2Fb")),
        (b"/tfs", "127.0.0.1", ("tfs", "")),
        (b"/", "states.example", ("", "")),
        (b"/key", "tfs.states.example", ("tfs", "key")),
        (b"//key", "tfs.states.example:443", ("tfs", "/key")),
        (b"/tfs/key", "states.example:443", ("tfs", "key")),
        (b"/", "my.tfs.STATES.example", ("my.tfs", "")),
    ],
)
def test_targets_in_both_styles(path, host, expected):
    assert read_target(request(path=path, host=host), "states.example") == expected


@pytest.mark.parametrize(
    "path",
    [
        b"//key",
        b"/a",
        b"/..",
        b"/%2e%2e/x",
        b"/tf%00s/x",
        b"/tf s/x",
        b"/\xff\xfe/x",
        b"/127.0.0.1/x",
        b"/" + b"a" * 64,
    ],
)
def test_what_cannot_be_a_bucket_is_refused(path):
    with pytest.raises(NamespaceInvalid):
        read_target(request(path=path), "")


@pytest.mark.parametrize("key", [b"%ff%fe", b"k" * 1025, b"%C3%A9" * 513])
def test_what_cannot_be_a_key_is_refused(key):
    with pytest.raises(RequestInvalid):
        read_target(request(path=b"/tfs/" + key), "")
