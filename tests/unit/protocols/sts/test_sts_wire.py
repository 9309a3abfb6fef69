"""STS on the wire: forms, documents, errors."""

from __future__ import annotations

import pytest

from lockhouse.errors import ALL_PROBLEMS, AccessDenied, RequestInvalid
from lockhouse.protocols.sts.wire import ERRORS, read_form, read_number, write_problem, write_result

BEFORE_DISPATCH = {code for code in ALL_PROBLEMS if code.startswith(("signature.", "credential.", "storage."))}


def test_the_error_table_names_only_known_problems_and_all_that_the_gate_can_raise():
    assert set(ERRORS) <= set(ALL_PROBLEMS)
    assert set(ERRORS) >= BEFORE_DISPATCH


def test_a_form_is_read_and_a_field_given_twice_is_refused():
    assert read_form(b"Action=GetUser&Version=2010-05-08") == {"Action": "GetUser", "Version": "2010-05-08"}
    for body in (b"Action=a&Action=b", b"\xff=1", b"no equals sign", b"&".join(b"f%d=1" % n for n in range(300))):
        with pytest.raises(RequestInvalid):
            read_form(body)


@pytest.mark.parametrize("text", ["", "899", "3601", "-1", "1e3", "٣٣٣٣", "9" * 20])
def test_a_duration_outside_its_bounds_is_refused(text):
    with pytest.raises(RequestInvalid):
        read_number({"DurationSeconds": text}, "DurationSeconds", 1000, 900, 3600)


def test_results_and_errors_are_escaped_xml_with_the_request_id():
    answer = write_result("GetUser", "urn:x", {"User": {"Arn": "a<b&c"}}, "REQ1")
    assert answer.body == (
        b'<GetUserResponse xmlns="urn:x"><GetUserResult><User><Arn>a&lt;b&amp;c</Arn></User></GetUserResult>'
        b"<ResponseMetadata><RequestId>REQ1</RequestId></ResponseMetadata></GetUserResponse>"
    )
    refused = write_problem(AccessDenied("no <you>", hint="ask", right="x"), "REQ2")
    assert refused.status == 403
    assert b"<Code>AccessDenied</Code><Message>no &lt;you&gt; (ask)</Message>" in bytes(refused.body)


def test_what_is_internal_says_nothing_of_its_cause():
    assert b"<Message>internal error</Message>" in bytes(write_problem(None, "REQ3").body)
