"""Whatever a body says, the answer is a success or one of AWS's faults: never an exception, never a server error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockhouse.protocols.dynamodb.routes import ROUTES
from tests.unit.protocols.dynamodb.desk import Desk

texts = st.sampled_from(
    [
        "",
        "a",
        "id",
        "locks",
        "things",
        "acme/x",
        "acme/x-md5",
        "acme/-md5",
        "acme/",
        "/",
        "é",
        "1",
        "-1e130",
        "AA==",
        "NONE",
        "ALL_OLD",
        "ALL_NEW",
        "UPDATED_NEW",
        "EQ",
        "IN",
        "BETWEEN",
        "NULL",
        "OR",
        "HASH",
        "S",
        "arn:aws:x:table/things",
    ]
)
expressions = st.sampled_from(
    [
        "id = :a",
        "LockID = :a",
        "attribute_not_exists(LockID)",
        "SET x = :a",
        "REMOVE x[0]",
        "ADD n :n",
        "LockID, Info",
        "a.b[1]",
        "#n",
        "size(x) > :n",
        "x IN (:a, :n)",
        "(",
        "SET #n = list_append(#n, :l)",
        "contains(x, :a) OR NOT x = :n",
    ]
)
values = st.recursive(
    st.builds(lambda text: {"S": text}, texts)
    | st.builds(lambda text: {"N": text}, texts)
    | st.builds(lambda text: {"B": text}, texts)
    | st.builds(lambda found: {"SS": found}, st.lists(texts, max_size=2))
    | st.sampled_from([{}, {"NULL": True}, {"BOOL": False}, {"S": "a", "N": "1"}, {"NS": ["1"]}, {"BS": ["AA=="]}]),
    lambda inner: (
        st.builds(lambda found: {"L": found}, st.lists(inner, max_size=2))
        | st.builds(lambda found: {"M": found}, st.dictionaries(texts, inner, max_size=2))
    ),
    max_leaves=4,
)
items = st.dictionaries(st.sampled_from(["id", "LockID", "Info", "Digest", "x", "n"]), values, max_size=4)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
conditions = st.dictionaries(
    texts,
    st.fixed_dictionaries(
        {}, optional={"ComparisonOperator": texts, "AttributeValueList": st.lists(values, max_size=3), "Value": values}
        | {"Exists": st.booleans(), "Action": st.sampled_from(["PUT", "ADD", "DELETE"])}
    ),
    max_size=2,
)  # fmt: skip
MEMBERS = {
    "TableName": st.sampled_from(["locks", "things", "nowhere", "", "x" * 300]),
    "Item": items,
    "Key": items,
    "ConditionExpression": expressions,
    "UpdateExpression": expressions,
    "ProjectionExpression": expressions,
    "FilterExpression": expressions,
    "KeyConditionExpression": expressions,
    "ExpressionAttributeNames": st.just({"#n": "x"}),
    "ExpressionAttributeValues": st.just({":a": {"S": "acme/x"}, ":n": {"N": "1"}, ":l": {"L": []}}) | items,
    "Expected": conditions,
    "AttributeUpdates": conditions,
    "KeyConditions": conditions,
    "ScanFilter": conditions,
    "QueryFilter": conditions,
    "ExclusiveStartKey": items,
    "AttributesToGet": st.lists(texts, max_size=3),
    "ReturnValues": texts,
    "Limit": st.integers(-1, 3),
    "Segment": st.integers(-1, 3),
    "TotalSegments": st.integers(-1, 3),
    "Select": texts,
    "RequestItems": st.dictionaries(
        st.sampled_from(["locks", "things", "nowhere"]),
        st.builds(lambda keys: {"Keys": keys}, st.lists(items, max_size=2))
        | st.lists(
            st.builds(lambda item: {"PutRequest": {"Item": item}}, items)
            | st.builds(lambda key: {"DeleteRequest": {"Key": key}}, items),
            max_size=3,
        ),
        max_size=2,
    ),
    "ResourceArn": texts,
    "Tags": anything,
    "TagKeys": anything,
    "TimeToLiveSpecification": anything,
    "KeySchema": anything,
    "AttributeDefinitions": anything,
}
FITTING = {
    "PutItem": (["Item"], ["ConditionExpression"], ["Expected"]),
    "DeleteItem": (["Key"], ["ConditionExpression"], ["Expected"]),
    "UpdateItem": (["Key"], ["UpdateExpression", "ConditionExpression"], ["AttributeUpdates", "Expected"]),
    "GetItem": (["Key"], ["ProjectionExpression"], ["AttributesToGet"]),
    "Query": (["Limit"], ["KeyConditionExpression", "FilterExpression"], ["KeyConditions", "QueryFilter"]),
    "Scan": (["ExclusiveStartKey"], ["FilterExpression", "ProjectionExpression"], ["ScanFilter", "AttributesToGet"]),
}
PLACEHOLDERS = ["ExpressionAttributeNames", "ExpressionAttributeValues"]


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    """An action with members that belong to it, or with any."""
    action = draw(st.sampled_from([route.action for route in ROUTES if route.action != "DeleteTable"]))
    if action not in FITTING or draw(st.integers(0, 9)) == 0:
        loose = st.fixed_dictionaries({}, optional=MEMBERS) | st.dictionaries(st.sampled_from(list(MEMBERS)), anything)
        return action, draw(loose)
    always, modern, older = FITTING[action]
    names = [*always, *modern, *PLACEHOLDERS] if draw(st.booleans()) else [*always, *older]
    body = draw(st.fixed_dictionaries({}, optional={name: MEMBERS[name] for name in names}))
    body["TableName"] = draw(st.sampled_from(["locks", "things"]))
    text = json.dumps([value for name, value in body.items() if name.endswith("Expression")])
    for name in PLACEHOLDERS:
        if name in body and draw(st.integers(0, 4)):
            body[name] = {key: value for key, value in body[name].items() if key in text} or None
    return action, body


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    path: Path = tmp_path_factory.mktemp("desk")
    desk = Desk(path)
    desk.lock_table()
    desk.table()
    desk.keep("x")
    yield desk
    desk.close()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(calls())
def test_every_body_is_answered(used: Desk, call: tuple[str, dict[str, object]]):
    action, body = call
    answer = used.raw(action, json.dumps(body).encode())
    assert answer.status in (200, 400)
    assert answer.fault.endswith("Exception") or answer.status == 200


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(action=st.sampled_from([route.action for route in ROUTES]), body=st.binary(max_size=80))
def test_every_string_of_bytes_is_answered(used: Desk, action: str, body: bytes):
    assert used.raw(action, body).status in (200, 400)
