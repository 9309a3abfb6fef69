"""The one error table of S3."""

from xml.etree import ElementTree as ET

import pytest

from lockhouse.errors import ALL_PROBLEMS, LockHeld, LockMismatch, MethodNotAllowed, Problem, RangeUnsatisfiable
from lockhouse.protocols.s3.answers import ANSWERS, Answer, answer_to, refuse
from tests.unit.protocols.s3.requests import request


def problem(code, **details):
    kind = ALL_PROBLEMS[code]
    if issubclass(kind, (LockHeld, LockMismatch)):
        return kind("cannot do it", info=b"{}", hint="do that", **details)
    if issubclass(kind, MethodNotAllowed):
        details = {"allow": "GET", **details}
    return kind("cannot do it", hint="do that", **details)


@pytest.mark.parametrize("code", sorted(ALL_PROBLEMS))
def test_every_problem_has_an_answer(code):
    details = {"size": 5} if code == "range.unsatisfiable" else {}
    response = refuse(request(), problem(code, **details))
    root = ET.fromstring(response.body)
    assert code in ANSWERS
    assert root.findtext("Code") == answer_to(problem(code, **details)).code
    assert "cannot do it" in root.findtext("Message")
    assert "do that" in root.findtext("Message")
    assert root.findtext("RequestId") == "0123456789ABCDEF"
    assert root.findtext("HostId")
    assert (b"x-amz-request-id", b"0123456789ABCDEF") in response.headers


def test_no_answer_is_for_a_problem_that_does_not_exist():
    assert set(ANSWERS) <= set(ALL_PROBLEMS)


def test_nothing_but_absence_is_ever_a_404():
    # A client that gets 404 for its state starts from an empty one and creates everything a second time.
    missing = {
        code
        for code in ALL_PROBLEMS
        if answer_to(problem(code, **({"size": 1} if code.startswith("range") else {}))).status == 404
    }
    assert missing == {
        "lock.not_found",
        "namespace.document_not_found",
        "namespace.not_found",
        "parked.not_found",
        "state.deleted",
        "state.not_found",
        "upload.not_found",
        "version.not_found",
    }


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        ("body.digest", {"kind": "signed"}, Answer("XAmzContentSHA256Mismatch", 400)),
        ("body.digest", {"kind": "md5"}, Answer("BadDigest", 400)),
        ("body.digest_invalid", {"argument": "Content-MD5"}, Answer("InvalidDigest", 400)),
        ("signature.malformed", {"place": "query"}, Answer("AuthorizationQueryParametersError", 400)),
        ("signature.malformed", {"place": "header"}, Answer("AuthorizationHeaderMalformed", 400)),
        ("upload.part_invalid", {"why": "order"}, Answer("InvalidPartOrder", 400)),
        ("upload.part_invalid", {"why": "small"}, Answer("EntityTooSmall", 400)),
        ("upload.part_invalid", {"why": "missing"}, Answer("InvalidPart", 400)),
        ("request.invalid", {"argument": "key_too_long"}, Answer("KeyTooLongError", 400)),
        ("encryption.key", {"reason": "other"}, Answer("AccessDenied", 403)),
        ("request.invalid", {"argument": "part_beyond"}, Answer("InvalidPartNumber", 416)),
        ("encryption.key", {"reason": "missing"}, Answer("InvalidRequest", 400)),
        ("encryption.key", {"reason": "malformed"}, Answer("InvalidArgument", 400)),
        ("namespace.document_not_found", {"kind": "lifecycle"}, Answer("NoSuchLifecycleConfiguration", 404)),
        ("slow_down", {}, Answer("SlowDown", 503)),
    ],
)
def test_details_choose_among_s3s_codes(code, details, expected):
    assert answer_to(problem(code, **details)) == expected


def test_an_error_of_ours_says_nothing_but_its_request_id():
    response = refuse(request(), None)
    assert response.status == 500
    assert ET.fromstring(response.body).findtext("Code") == "InternalError"


def test_head_is_refused_without_a_body():
    assert refuse(request("HEAD"), problem("state.not_found")).body == b""


def test_a_deleted_object_says_by_which_marker():
    response = refuse(request(), problem("state.deleted", version_id="2.abc"))
    assert (b"x-amz-delete-marker", b"true") in response.headers
    assert (b"x-amz-version-id", b"2.abc") in response.headers


def test_an_unsatisfiable_range_tells_the_size():
    response = refuse(request(), RangeUnsatisfiable("no", hint="ask for less", size=0))
    assert (response.status, (b"content-range", b"bytes */0") in response.headers) == (416, True)


@pytest.mark.parametrize("name", ["<&>\"'", "\x00\x01\x1f", "\ud800", "a\rb"])
def test_what_the_client_sent_cannot_break_the_document(name):
    response = refuse(
        request(path=b"/b/\xff<&>\x00"), Problem(f"cannot find {name}", hint=f"lockhouse state show {name}")
    )
    text = response.body.decode()
    assert "<&>" not in text
    assert text.count("<Error>") == text.count("</Error>") == 1
