from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockhouse.errors import ALL_PROBLEMS
from lockhouse.protocols.dynamodb import wire
from lockhouse.protocols.dynamodb.faults import FAULTS, Fault
from lockhouse.protocols.dynamodb.routes import ROUTES, UNSUPPORTED
from tests.unit.protocols.dynamodb.desk import Desk, document, person

TAKE = {
    "ConditionExpression": "attribute_not_exists(LockID)",
    "Item": {"Info": {"S": document("L1")}, "LockID": {"S": "acme/a"}},
    "TableName": "locks",
}
SHOW = {
    "ConsistentRead": True,
    "Key": {"LockID": {"S": "acme/a"}},
    "ProjectionExpression": "LockID, Info",
    "TableName": "locks",
}
RELEASE = {"Key": {"LockID": {"S": "acme/a"}}, "TableName": "locks"}


def spelled(value) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def test_every_problem_has_an_answer_and_no_answer_is_without_a_problem():
    assert set(FAULTS) == set(ALL_PROBLEMS)


def test_terraforms_lock_requests_are_recognised_by_their_shape():
    taken = wire.read_take(spelled(TAKE))
    assert taken is not None
    assert (taken.table, taken.lock_id, taken.info) == ("locks", "acme/a", document("L1"))
    shown = wire.read_show(spelled(SHOW))
    assert shown is not None
    assert shown.attribute == "Info"
    released = wire.read_release(spelled(RELEASE))
    assert released is not None
    assert released.lock_id == "acme/a"


@given(st.text(), st.text())
def test_the_quick_reader_and_the_slow_one_never_differ(lock_id, info):
    body = spelled({**TAKE, "Item": {"Info": {"S": info}, "LockID": {"S": lock_id}}})
    quick = wire.read_take(body)
    slow = json.loads(body)["Item"]
    if quick is not None:
        assert (quick.lock_id, quick.info) == (slow["LockID"]["S"], slow["Info"]["S"])


@pytest.mark.parametrize(
    "body",
    [
        spelled(TAKE).replace(b'"TableName":"locks"', b'"TableName":"other","TableName":"locks"'),
        spelled(TAKE).replace(b'"TableName":"locks"', b'"TableName" :"other","TableName":"locks"'),
        spelled(TAKE).replace(b'"LockID":{"S":"acme/a"}', b'"LockID":{"S":"acme/b","S":"acme/a"}'),
        spelled({**TAKE, "ReturnConsumedCapacity": "TOTAL"}),
        spelled({**TAKE, "ConditionExpression": "attribute_not_exists(Info)"}),
        b"",
        b"[]",
        b"{" * 100,
    ],
)
def test_the_quick_reader_leaves_everything_else_alone(body):
    assert wire.read_take(body) is None


@pytest.mark.parametrize("name", ["TableName", "T\\u0061bleName"])
def test_a_key_that_stands_twice_is_refused(desk: Desk, name):
    body = b'{"TableName":"a","%s":"b"}' % name.encode()
    assert desk.raw("DescribeTable", body).fault == "SerializationException"


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b'{"TableName":', b"\xff", b'{"TableName":"\\ud800"}', b"[]", b"null", b'"x"', b'{"a":NaN}'],
)
def test_what_is_not_a_json_object_is_a_serialization_fault(desk: Desk, body):
    answer = desk.raw("DescribeTable", body)
    assert (answer.status, answer.fault) == (400, "SerializationException")
    assert answer.body["__type"] == "com.amazon.coral.service#SerializationException"


@pytest.mark.parametrize("opening", [b'{"Item":{"a":' + b'{"L":[' * 50_000, b"[" * 100_000, b'{"a":' * 100_000])
def test_a_very_deep_document_is_refused(desk: Desk, opening):
    assert desk.raw("PutItem", opening).fault == "SerializationException"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"TableName": 5}, "NUMBER_VALUE cannot be converted to String"),
        ({"TableName": False}, "FALSE_VALUE cannot be converted to String"),
        ({"TableName": True, "ConsistentRead": False}, "TRUE_VALUE cannot be converted to String"),
        ({"TableName": "abc", "AttributesToGet": [None]}, "NULL_VALUE cannot be converted to String"),
        ({"TableName": 5.5}, "DECIMAL_VALUE cannot be converted to String"),
        ({"TableName": []}, "Unrecognized collection type class java.lang.String"),
        ({"TableName": {}}, "Start of structure or map found where not expected"),
        ({"TableName": "abc", "Key": "x"}, "Unexpected field type"),
        ({"TableName": "abc", "Key": {}, "ConsistentRead": 1}, "NUMBER_VALUE cannot be converted to Boolean"),
    ],
)
def test_a_member_of_the_wrong_json_type_is_refused_in_the_words_of_aws(desk: Desk, members, message):
    answer = desk("GetItem", **members)
    assert (answer.fault, answer.message) == ("SerializationException", message)


def test_nulls_are_as_good_as_absent(desk: Desk):
    desk.table()
    found = desk("GetItem", TableName="things", Key={"id": {"S": "a", "N": None}}, ProjectionExpression=None)
    assert found.ok == {}


def test_unknown_and_unsupported_actions_are_told_apart(desk: Desk):
    unknown = desk("Frobnicate")
    assert (unknown.status, unknown.fault) == (400, "UnknownOperationException")
    for action in UNSUPPORTED:
        refused = desk(action)
        assert refused.fault == "ValidationException"
        assert "not supported" in refused.message


def test_answers_carry_the_request_id_and_the_content_type(desk: Desk):
    headers = desk("ListTables").headers
    assert headers[b"x-amzn-requestid"] == b"R1"
    assert headers[b"content-type"] == b"application/x-amz-json-1.0"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.action)
def test_nobody_without_a_grant_gets_past_the_access_rule(desk: Desk, route):
    desk.table()
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/things"
    key = {"id": {"S": "a"}}
    body = {
        "TableName": "fresh" if route.action == "CreateTable" else "things",
        "Item": key,
        "Key": key,
        "ResourceArn": arn,
        "Tags": [{"Key": "a", "Value": "b"}],
        "TagKeys": ["a"],
        "KeyConditionExpression": "id = :a" if route.action == "Query" else None,
        "ExpressionAttributeValues": {":a": {"S": "a"}} if route.action == "Query" else None,
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": True,
        "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ttl"},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "RequestItems": {
            "things": {"Keys": [key]} if route.action == "BatchGetItem" else [{"PutRequest": {"Item": key}}]
        },
    }
    nobody = desk(route.action, person("eve", ()), **body)
    assert desk(route.action, **body).status == 200
    if route.access.value == "a valid credential":
        assert nobody.status == 200
    else:
        assert nobody.fault == "AccessDeniedException"


def test_faults_have_the_prefixes_of_aws():
    assert Fault.CONDITION.type == "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
    assert Fault.VALIDATION.type == "com.amazon.coral.validate#ValidationException"
