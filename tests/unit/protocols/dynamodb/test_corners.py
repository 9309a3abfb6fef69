"""What the real service answers in corners that people meet: effects, capacity, and the words of its refusals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.protocols.dynamodb.desk import Desk

A: dict[str, Any] = {"id": {"S": "a"}}
_ENUM = "[IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]"
_NAMES = (
    "Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length "
    "greater than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]"
)
_PATTERN = "failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
_START = "The provided starting key is invalid: "
_EMPTY = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"


@pytest.mark.parametrize(
    "update",
    [
        {"UpdateExpression": "REMOVE x"},
        {"UpdateExpression": "DELETE x :s", "ExpressionAttributeValues": {":s": {"SS": ["q"]}}},
        {"UpdateExpression": "REMOVE x.y, z[0]"},
        {"AttributeUpdates": {"x": {"Action": "DELETE"}}},
        {"AttributeUpdates": {"x": {"Action": "DELETE", "Value": {"NS": ["1"]}}}},
    ],
)
def test_an_update_that_only_takes_away_makes_no_item(desk: Desk, update):
    desk.table()
    assert desk("UpdateItem", TableName="things", Key=A, ReturnValues="ALL_NEW", **update).ok == {}
    assert desk("GetItem", TableName="things", Key=A).ok == {}
    taken = desk("PutItem", TableName="things", Item=A, ConditionExpression="attribute_not_exists(id)")
    assert taken.status == 200


@pytest.mark.parametrize(
    "update",
    [
        {},
        {"AttributeUpdates": {}},
        {"UpdateExpression": "REMOVE x SET y = :y", "ExpressionAttributeValues": {":y": {"N": "1"}}},
    ],
)
def test_an_update_of_nothing_or_of_something_makes_the_item(desk: Desk, update):
    desk.table()
    desk("UpdateItem", TableName="things", Key=A, **update).ok  # noqa: B018
    assert desk("GetItem", TableName="things", Key=A).ok["Item"]["id"] == {"S": "a"}


def test_capacity_counts_the_larger_of_the_old_and_the_new_item(desk: Desk):
    desk.table()
    name: dict[str, Any] = {"TableName": "things", "ReturnConsumedCapacity": "TOTAL"}

    def units(action: str, **body: Any) -> float:
        spent: float = desk(action, **name, **body).ok["ConsumedCapacity"]["CapacityUnits"]
        return spent

    large = {**A, "text": {"S": "x" * 3000}}
    assert units("PutItem", Item=large) == 3
    assert units("PutItem", Item=A) == 3
    assert units("PutItem", Item=large) == 3
    assert units("UpdateItem", Key=A, UpdateExpression="REMOVE #t", ExpressionAttributeNames={"#t": "text"}) == 3


def test_a_batch_pays_for_what_is_not_there(desk: Desk):
    desk.table()
    desk("PutItem", TableName="things", Item=A)
    keys = [A, {"id": {"S": "nowhere"}}]
    got = desk("BatchGetItem", RequestItems={"things": {"Keys": keys}}, ReturnConsumedCapacity="TOTAL").ok
    assert got["Responses"] == {"things": [A]}
    assert got["ConsumedCapacity"] == [{"TableName": "things", "CapacityUnits": 1.0}]


def test_reads_of_single_items_know_no_values(desk: Desk):
    desk.table()
    given: dict[str, Any] = {"ProjectionExpression": "id", "ExpressionAttributeValues": {":a": {"S": "x"}}}
    assert desk("GetItem", TableName="things", Key=A, **given).ok == {}
    assert desk("BatchGetItem", RequestItems={"things": {"Keys": [A], **given}}).status == 200


@pytest.mark.parametrize("action", ["DescribeTable", "DeleteTable", "UpdateTable", "CreateTable", "DescribeTimeToLive"])
def test_a_request_about_a_table_is_told_about_its_name_first(desk: Desk, action):
    assert desk(action).message == "The parameter 'TableName' is required but was not present in the request"
    for name in ("ab", "", "a" * 256):
        assert desk(action, TableName=name).message == (
            "TableName must be at least 3 characters long and at most 255 characters long"
        )
    assert f"Value 'a/b;' at 'tableName' {_PATTERN}" in desk(action, TableName="a/b;").message


@pytest.mark.parametrize(
    ("action", "body", "message"),
    [
        (
            "GetItem",
            {"TableName": "a;", "Key": A},
            (
                f"2 validation errors detected: Value 'a;' at 'tableName' {_PATTERN}; Value 'a;' at 'tableName' failed to "
                "satisfy constraint: Member must have length greater than or equal to 3"
            ),
        ),
        (
            "BatchGetItem",
            {"RequestItems": {"ab": {"Keys": [A]}}},
            f"1 validation error detected: Value '{{ab=...}}' at 'requestItems' failed to satisfy constraint: {_NAMES}",
        ),
        (
            "BatchGetItem",
            {"RequestItems": {}},
            (
                "1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have "
                "length greater than or equal to 1"
            ),
        ),
        (
            "BatchGetItem",
            {"RequestItems": {"things": {"Keys": []}}},
            (
                "1 validation error detected: Value '[]' at 'requestItems.things.member.keys' failed to satisfy "
                "constraint: Member must have length greater than or equal to 1"
            ),
        ),
        (
            "BatchWriteItem",
            {"RequestItems": {"things": [{"PutRequest": {"Item": {"id": {"S": str(n)}}}} for n in range(26)]}},
            (
                "1 validation error detected: Value '{things=[26 members]}' at 'requestItems' failed to satisfy constraint: "
                "Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have "
                "length greater than or equal to 1]"
            ),
        ),
        (
            "BatchWriteItem",
            {"RequestItems": {"things": [{"PutRequest": {}}]}},
            (
                "1 validation error detected: Value null at 'requestItems.things.member.1.member.putRequest.item' failed "
                "to satisfy constraint: Member must not be null"
            ),
        ),
        (
            "BatchWriteItem",
            {"RequestItems": {"things": [{"PutRequest": {"Item": {"x": {"S": "a"}}}}]}},
            "The provided key element does not match the schema",
        ),
        (
            "BatchWriteItem",
            {"RequestItems": {"things": [{"PutRequest": {"Item": A}}]}, "ReturnItemCollectionMetrics": "X"},
            (
                "1 validation error detected: Value 'X' at 'returnItemCollectionMetrics' failed to satisfy constraint: "
                "Member must satisfy enum value set: [SIZE, NONE]"
            ),
        ),
        (
            "Scan",
            {"TableName": "things", "ScanFilter": {"x": {"ComparisonOperator": "LIKE"}}},
            (
                "1 validation error detected: Value 'LIKE' at 'scanFilter.x.member.comparisonOperator' failed to satisfy "
                f"constraint: Member must satisfy enum value set: {_ENUM}"
            ),
        ),
        (
            "Query",
            {"TableName": "things", "KeyConditions": {"id": {}}},
            (
                "1 validation error detected: Value null at 'keyConditions.id.member.comparisonOperator' failed to satisfy "
                "constraint: Member must not be null"
            ),
        ),
        (
            "Query",
            {
                "TableName": "things",
                "KeyConditions": {"id": {"ComparisonOperator": "NE", "AttributeValueList": [{"S": "a"}]}},
            },
            "Attempted conditional constraint is not an indexable operation",
        ),
        (
            "PutItem",
            {
                "TableName": "things",
                "Item": A,
                "Expected": {"x": {"ComparisonOperator": "EQ", "AttributeValueList": []}},
            },
            "One or more parameter values were invalid: Invalid number of argument(s) for the EQ ComparisonOperator",
        ),
        ("Scan", {"TableName": "things", "ExclusiveStartKey": {"id": {}}}, _START + _EMPTY),
        (
            "PutItem",
            {"TableName": "things", "Item": A, "ConditionalOperator": "AND", "Expected": {}},
            "One or more parameter values were invalid: ConditionalOperator cannot be used without Expected",
        ),
        (
            "PutItem",
            {"TableName": "things", "Item": {**A, "x": {"BS": ["YQ==", "YQ=="]}}},
            "One or more parameter values were invalid: Input collection [YQ==, YQ==]of type BS contains duplicates.",
        ),
        (
            "PutItem",
            {"TableName": "things", "Item": {**A, "x": {"N": "1e1000000"}}},
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
    ],
)
def test_a_refusal_is_in_the_words_of_aws(desk: Desk, action, body, message):
    desk.table()
    refused = desk(action, **body)
    assert (refused.fault, refused.message) == ("ValidationException", message)


def test_base64_that_says_more_than_its_bytes_is_refused(desk: Desk):
    desk.table()
    refused = desk("PutItem", TableName="things", Item={**A, "x": {"B": "YR=="}})
    assert (refused.fault, refused.message) == (
        "SerializationException",
        "Invalid last non-pad Base64 character dectected",
    )


@pytest.mark.parametrize(("action", "value"), [("ADD", {"SS": ["q"]}), ("ADD", {"L": []}), ("DELETE", {"SS": ["q"]})])
def test_an_older_update_of_another_type_has_its_own_words(desk: Desk, action, value):
    desk.table()
    desk("PutItem", TableName="things", Item={**A, "x": {"S": "text"}})
    update = {"x": {"Action": action, "Value": value}}
    refused = desk("UpdateItem", TableName="things", Key=A, AttributeUpdates=update)
    assert (refused.fault, refused.message) == ("ValidationException", "Type mismatch for attribute to update")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"B": "YQ=="}, "{B:YQ==}"),
        ({"NULL": True}, "{NULL:true}"),
        ({"BOOL": False}, "{BOOL:false}"),
        ({"SS": ["b", "a"]}, "{SS:[a, b]}"),
        ({"L": [{"N": "1.0"}]}, "{L:[{N:1}]}"),
        ({"M": {"k": {"S": "v"}}}, "{M:{k:{S:v}}}"),
    ],
)
def test_a_bound_is_shown_as_it_is_written(desk: Desk, value, shown):
    desk.table()
    values = {":low": value, ":high": {"S": "z"}}
    refused = desk(
        "Scan",
        TableName="things",
        FilterExpression="x BETWEEN :low AND :high",
        ExpressionAttributeValues=values,
    )
    assert refused.message == (
        "Invalid FilterExpression: The BETWEEN operator requires same data type for lower and upper bounds; lower "
        f"bound operand: AttributeValue: {shown}, upper bound operand: AttributeValue: {{S:z}}"
    )


@pytest.mark.parametrize(("name", "message"), [("", "Empty attribute name"), ("x" * 65_536, "less than 65536 bytes")])
def test_no_attribute_has_an_empty_or_an_endless_name(desk: Desk, name, message):
    desk.table()
    named: dict[str, Any] = {"TableName": "things", "Key": A}
    placed = {"ExpressionAttributeNames": {"#n": name}}
    for refused in (
        desk("PutItem", TableName="things", Item={**A, name: {"S": "y"}}),
        desk("GetItem", **named, ProjectionExpression="#n", **placed),
        desk("GetItem", **named, AttributesToGet=[name]),
        desk("UpdateItem", **named, AttributeUpdates={name: {"Value": {"S": "y"}}}),
        desk("UpdateItem", **named, UpdateExpression="REMOVE #n", **placed),
    ):
        assert refused.fault == "ValidationException"
        assert refused.message.startswith("One or more parameter values were invalid: ")
        assert message in refused.message
    longest = {**A, "x" * 65_535: {"S": "y"}}
    assert desk("PutItem", TableName="things", Item=longest).ok == {}


def test_what_is_not_there_does_not_even_not_contain(desk: Desk):
    desk.table()
    desk("PutItem", TableName="things", Item={**A, "x": {"S": "text"}})
    for name, kept in (("x", 1), ("y", 0)):
        condition = {name: {"ComparisonOperator": "NOT_CONTAINS", "AttributeValueList": [{"S": "q"}]}}
        assert desk("Scan", TableName="things", ScanFilter=condition).ok["Count"] == kept


def test_a_read_costs_the_whole_item(desk: Desk):
    desk.table()
    desk("PutItem", TableName="things", Item={**A, "long": {"S": "x" * 5000}})
    asked: dict[str, Any] = {"ProjectionExpression": "id", "ConsistentRead": True}
    one = desk("GetItem", TableName="things", Key=A, ReturnConsumedCapacity="TOTAL", **asked).ok
    assert (one["Item"], one["ConsumedCapacity"]["CapacityUnits"]) == (A, 2.0)
    many = desk("BatchGetItem", RequestItems={"things": {"Keys": [A], **asked}}, ReturnConsumedCapacity="TOTAL").ok
    assert many["ConsumedCapacity"][0]["CapacityUnits"] == 2.0


def test_a_segment_goes_on_at_a_key_of_its_own(desk: Desk):
    desk.table()
    for number in range(8):
        desk("PutItem", TableName="things", Item={"id": {"S": str(number)}})
    found = []
    for segment in (0, 1):
        part: dict[str, Any] = {"TableName": "things", "Segment": segment, "TotalSegments": 2}
        page = desk("Scan", Limit=1, **part).ok
        last = page["LastEvaluatedKey"]
        found += page["Items"] + desk("Scan", ExclusiveStartKey=last, **part).ok["Items"]
        refused = desk("Scan", ExclusiveStartKey=last, **{**part, "Segment": 1 - segment})
        assert refused.message == (
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct "
            f"Segment. TotalSegments: 2 Segment: {1 - segment}"
        )
    assert sorted(item["id"]["S"] for item in found) == list("01234567")


def test_backups_of_no_table_have_a_fault_of_their_own(desk: Desk):
    on = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    for refused in (
        desk("DescribeContinuousBackups", TableName="nowhere"),
        desk("UpdateContinuousBackups", TableName="nowhere", **on),
    ):
        assert (refused.fault, refused.message) == ("TableNotFoundException", "Table not found: nowhere")


@pytest.mark.parametrize("tag", [{"Key": "a"}, {"Key": "hi!", "Value": "x"}, {"Key": "a", "Value": "100%"}])
def test_a_tag_has_a_value_and_only_signs_that_tags_have(desk: Desk, tag):
    desk.table()
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/things"
    assert desk("TagResource", ResourceArn=arn, Tags=[tag]).fault == "ValidationException"
    good = {"Key": "te am.ä:/=+-@_1", "Value": ""}
    assert desk("TagResource", ResourceArn=arn, Tags=[good]).status == 200
    assert desk("ListTagsOfResource", ResourceArn=arn).ok["Tags"] == [good]
