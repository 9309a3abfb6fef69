"""The life of a table, and its ordinary items."""

from __future__ import annotations

import pytest

from lockhouse.core.principals import Grant, Right
from tests.unit.protocols.dynamodb.desk import Desk, person

KEY = [{"AttributeName": "id", "KeyType": "HASH"}]
DEFINED = [{"AttributeName": "id", "AttributeType": "S"}]
FRESH = {"TableName": "fresh", "AttributeDefinitions": DEFINED, "KeySchema": KEY, "BillingMode": "PAY_PER_REQUEST"}


def test_a_new_table_is_active_at_once_and_described_in_full(desk: Desk):
    made = desk("CreateTable", **FRESH, Tags=[{"Key": "team", "Value": "a"}]).ok["TableDescription"]
    assert made == desk("DescribeTable", TableName="fresh").ok["Table"]
    assert made["TableStatus"] == "ACTIVE"
    assert made["TableArn"] == "arn:aws:dynamodb:eu-west-1:123456789012:table/fresh"
    assert made["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert (made["KeySchema"], made["AttributeDefinitions"]) == (KEY, DEFINED)
    assert desk("DescribeTable", TableName=made["TableArn"]).ok["Table"] == made
    assert desk("ListTagsOfResource", ResourceArn=made["TableArn"]).ok["Tags"] == [{"Key": "team", "Value": "a"}]


def test_a_table_cannot_be_made_twice(desk: Desk):
    desk("CreateTable", **FRESH)
    again = desk("CreateTable", **FRESH)
    assert (again.fault, again.message) == (
        "ResourceInUseException",
        "Table already exists: fresh (try: aws dynamodb describe-table --table-name fresh)",
    )


HOW_TO_MAKE_IT = (
    "aws dynamodb create-table --table-name nowhere --billing-mode PAY_PER_REQUEST --attribute-definitions "
    "AttributeName=LockID,AttributeType=S --key-schema AttributeName=LockID,KeyType=HASH"
)


def test_a_missing_table_is_not_found(desk: Desk):
    for action, more in (("DescribeTable", {}), ("DeleteTable", {}), ("Scan", {}), ("GetItem", {"Key": {}})):
        missing = desk(action, TableName="nowhere", **more)
        assert (missing.fault, missing.message) == (
            "ResourceNotFoundException",
            f"Requested resource not found: Table: nowhere not found (try: {HOW_TO_MAKE_IT})",
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TableName": "ab"}, "TableName must be at least 3 characters long and at most 255 characters long"),
        ({"TableName": "a/b/c"}, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
        ({"TableName": None}, "The parameter 'TableName' is required but was not present in the request"),
        ({"KeySchema": [{"AttributeName": "id", "KeyType": "X"}]}, "enum value set: [HASH, RANGE]"),
        ({"KeySchema": [{"AttributeName": "id", "KeyType": "RANGE"}]}, "The first KeySchemaElement is not a HASH key"),
        ({"KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}]}, "not defined in AttributeDefinitions"),
        ({"AttributeDefinitions": DEFINED * 2}, "does not exactly match number of attributes"),
        ({"BillingMode": None}, "ReadCapacityUnits and WriteCapacityUnits must both be specified"),
        ({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}, "Neither ReadCapacityUnits nor"),
        ({"GlobalSecondaryIndexes": [{"IndexName": "x"}]}, "global secondary indexes are not supported"),
        ({"LocalSecondaryIndexes": [{"IndexName": "x"}]}, "local secondary indexes are not supported"),
        ({"StreamSpecification": {"StreamEnabled": True}}, "streams are not supported"),
    ],
)
def test_a_bad_table_definition_is_refused(desk: Desk, change, message):
    refused = desk("CreateTable", **{**FRESH, **change})
    assert refused.fault == "ValidationException"
    assert message in refused.message
    assert desk("ListTables").ok == {"TableNames": []}


def test_everything_wrong_at_the_door_is_told_at_once(desk: Desk):
    refused = desk("CreateTable", TableName="a/b", BillingMode="FREE")
    assert refused.message.startswith("4 validation errors detected: ")


def test_names_are_listed_in_pages(desk: Desk):
    for name in ("ccc", "aaa", "bbb"):
        desk.table(name)
    first = desk("ListTables", Limit=2).ok
    assert first == {"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"}
    assert desk("ListTables", ExclusiveStartTableName="bbb").ok == {"TableNames": ["ccc"]}


def test_a_protected_table_is_not_deleted(desk: Desk):
    desk.table()
    desk("UpdateTable", TableName="things", DeletionProtectionEnabled=True).ok  # noqa: B018
    refused = desk("DeleteTable", TableName="things")
    assert refused.fault == "ValidationException"
    assert "protected against deletion" in refused.message
    described = desk("UpdateTable", TableName="things", DeletionProtectionEnabled=False).ok["TableDescription"]
    assert described["DeletionProtectionEnabled"] is False
    assert desk("DeleteTable", TableName="things").ok["TableDescription"]["TableStatus"] == "DELETING"
    assert desk("DescribeTable", TableName="things").fault == "ResourceNotFoundException"


def test_a_table_made_again_has_none_of_its_old_items(desk: Desk):
    desk.table()
    desk("PutItem", TableName="things", Item={"id": {"S": "a"}})
    desk("DeleteTable", TableName="things")
    desk.table()
    assert desk("Scan", TableName="things").ok["Items"] == []


def test_billing_capacity_encryption_and_class_are_kept(desk: Desk):
    desk.table()
    changed = desk(
        "UpdateTable",
        TableName="things",
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": "alias/mine"},
        TableClass="STANDARD_INFREQUENT_ACCESS",
    ).ok["TableDescription"]
    assert changed["ProvisionedThroughput"]["ReadCapacityUnits"] == 3
    assert changed["SSEDescription"]["KMSMasterKeyArn"] == "arn:aws:kms:eu-west-1:123456789012:alias/mine"
    assert changed["TableClassSummary"] == {"TableClass": "STANDARD_INFREQUENT_ACCESS"}
    assert "BillingModeSummary" not in changed
    assert desk("UpdateTable", TableName="things").fault == "ValidationException"


def test_tags_are_added_and_removed(desk: Desk):
    desk.table()
    arn = {"ResourceArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/things"}
    desk("TagResource", **arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]).ok  # noqa: B018
    desk("UntagResource", **arn, TagKeys=["a"]).ok  # noqa: B018
    assert desk("ListTagsOfResource", **arn).ok["Tags"] == [{"Key": "b", "Value": "2"}]
    assert desk("ListTagsOfResource", ResourceArn="x").fault == "ValidationException"
    assert desk("TagResource", **arn, Tags=[]).fault == "ValidationException"


def test_time_to_live_is_switched_and_ended_items_are_swept(desk: Desk):
    desk.table()
    off = {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
    assert desk("DescribeTimeToLive", TableName="things").ok == off
    past, future = str(int(desk.now) - 10), str(int(desk.now) + 10)
    desk("PutItem", TableName="things", Item={"id": {"S": "old"}, "ends": {"N": past}})
    on = {"Enabled": True, "AttributeName": "ends"}
    assert desk("UpdateTimeToLive", TableName="things", TimeToLiveSpecification=on).ok["TimeToLiveSpecification"] == on
    again = desk("UpdateTimeToLive", TableName="things", TimeToLiveSpecification=on)
    assert again.message == "TimeToLive is already enabled"
    desk("PutItem", TableName="things", Item={"id": {"S": "new"}, "ends": {"N": future}})
    desk("PutItem", TableName="things", Item={"id": {"S": "ancient"}, "ends": {"N": "1"}})
    assert desk.store.write(lambda tx: tx.expire_items(desk.now)) == 1
    left = {item["id"]["S"] for item in desk("Scan", TableName="things").ok["Items"]}
    assert left == {"new", "ancient"}


def test_continuous_backups_are_kept_as_asked(desk: Desk):
    desk.table()

    def status() -> str:
        found = desk("DescribeContinuousBackups", TableName="things").ok["ContinuousBackupsDescription"]
        return found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]

    assert status() == "DISABLED"
    wish = {"PointInTimeRecoveryEnabled": True}
    desk("UpdateContinuousBackups", TableName="things", PointInTimeRecoverySpecification=wish).ok  # noqa: B018
    assert status() == "ENABLED"


def test_limits_and_endpoints_are_answered(desk: Desk):
    assert desk("DescribeLimits").ok["AccountMaxReadCapacityUnits"] > 0
    assert desk("DescribeEndpoints").ok["Endpoints"] == [{"Address": "here:7373", "CachePeriodInMinutes": 1440}]


def test_a_filter_of_a_query_does_not_look_at_the_key(desk: Desk):
    desk.table(range_key="r")
    for expression in ("r > :n", "attribute_exists(id)", "NOT (v = :n AND size(r) IN (:n, :n))"):
        done = desk(
            "Query",
            TableName="things",
            KeyConditionExpression="id = :h",
            FilterExpression=expression,
            ExpressionAttributeValues={":h": {"S": "a"}} | ({":n": {"N": "1"}} if ":n" in expression else {}),
        )
        assert done.fault == "ValidationException"
        assert "can only contain non-primary key attributes" in done.message


def test_a_refusal_of_a_list_does_not_repeat_what_is_in_it(desk: Desk):
    desk.table()
    writes = [{"PutRequest": {"Item": {"id": {"S": f"secret{number}"}}}} for number in range(26)]
    done = desk("BatchWriteItem", RequestItems={"things": writes})
    assert done.fault == "ValidationException"
    assert "secret" not in done.message
    assert "less than or equal to 25" in done.message


def test_the_older_parameters_mean_the_same(desk: Desk):
    desk.table()
    item = {"id": {"S": "a"}, "n": {"N": "1"}, "s": {"SS": ["x"]}}
    free = {"id": {"Exists": False}}
    assert desk("PutItem", TableName="things", Item=item, Expected=free).ok == {}
    assert desk("PutItem", TableName="things", Item=item, Expected=free).fault == "ConditionalCheckFailedException"
    updates = {
        "n": {"Action": "ADD", "Value": {"N": "2"}},
        "s": {"Action": "DELETE", "Value": {"SS": ["x"]}},
        "t": {"Action": "PUT", "Value": {"S": "y"}},
        "l": {"Action": "ADD", "Value": {"L": [{"N": "1"}]}},
    }
    expected = {"n": {"ComparisonOperator": "GE", "AttributeValueList": [{"N": "1"}]}}
    key = {"TableName": "things", "Key": {"id": {"S": "a"}}}
    found = desk("UpdateItem", **key, AttributeUpdates=updates, Expected=expected, ReturnValues="ALL_NEW").ok
    assert found["Attributes"] == {
        "id": {"S": "a"},
        "n": {"N": "3"},
        "t": {"S": "y"},
        "l": {"L": [{"N": "1"}]},
    }
    assert desk("GetItem", **key, AttributesToGet=["t"]).ok["Item"] == {"t": {"S": "y"}}
    conditions = {"id": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}}
    assert desk("Query", TableName="things", KeyConditions=conditions).ok["Count"] == 1
    keep = {"n": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "4"}, {"N": "5"}]}}
    assert desk("Scan", TableName="things", ScanFilter=keep).ok["Count"] == 0
    mixed = desk("UpdateItem", **key, AttributeUpdates=updates, ConditionExpression="attribute_exists(id)")
    assert mixed.message.startswith("Can not use both expression and non-expression parameters")


def test_updates_answer_what_was_asked_for(desk: Desk):
    desk.table()
    desk("PutItem", TableName="things", Item={"id": {"S": "a"}, "n": {"N": "1"}, "o": {"S": "x"}})
    request = {
        "TableName": "things",
        "Key": {"id": {"S": "a"}},
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    assert desk("UpdateItem", **request).ok == {}
    assert desk("UpdateItem", **request, ReturnValues="UPDATED_OLD").ok == {"Attributes": {"n": {"N": "2"}}}
    assert desk("UpdateItem", **request, ReturnValues="UPDATED_NEW").ok == {"Attributes": {"n": {"N": "4"}}}
    assert desk("UpdateItem", **request, ReturnValues="ALL_OLD").ok["Attributes"]["n"] == {"N": "4"}
    assert desk("UpdateItem", **request, ReturnValues="ALL_NEW").ok["Attributes"]["o"] == {"S": "x"}
    unused = request | {"ExpressionAttributeValues": {":one": {"N": "1"}, ":two": {"N": "2"}}}
    assert "unused in expressions: keys: {:two}" in desk("UpdateItem", **unused).message
    for path in ("id", "id.part", "id[0]"):
        inside = request | {"UpdateExpression": f"SET {path} = :one"}
        assert "Cannot update attribute id. This attribute is part of the key" in desk("UpdateItem", **inside).message
    refused = desk("UpdateItem", **request, ReturnValues="SOME")
    assert "Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]" in refused.message


def test_a_failed_condition_shows_the_item_when_asked(desk: Desk):
    desk.table()
    item = {"id": {"S": "a"}, "n": {"N": "1"}}
    desk("PutItem", TableName="things", Item=item)
    request = {"TableName": "things", "Item": item, "ConditionExpression": "attribute_not_exists(id)"}
    assert "Item" not in desk("PutItem", **request).body
    shown = desk("PutItem", **request, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert (shown.fault, shown.body["Item"]) == ("ConditionalCheckFailedException", item)


def test_numbers_are_exact_to_38_digits(desk: Desk):
    desk.table()
    number = "1234567890123456789012345678.9012345678"
    desk("PutItem", TableName="things", Item={"id": {"S": "a"}, "n": {"N": number}})
    assert desk("GetItem", TableName="things", Key={"id": {"S": "a"}}).ok["Item"]["n"] == {"N": number}
    too_long = desk("PutItem", TableName="things", Item={"id": {"S": "a"}, "n": {"N": "1" + number}})
    assert too_long.message == "Attempting to store more than 38 significant digits in a Number"


def test_queries_go_along_the_range_key_in_pages(desk: Desk):
    desk.table("ranged", range_key="at")
    for number in range(10):
        item = {"id": {"S": "a"}, "at": {"S": f"{number:02}"}, "even": {"BOOL": number % 2 == 0}}
        desk("PutItem", TableName="ranged", Item=item)
    desk("PutItem", TableName="ranged", Item={"id": {"S": "b"}, "at": {"S": "00"}})
    request = {
        "TableName": "ranged",
        "KeyConditionExpression": "id = :a AND #at BETWEEN :low AND :high",
        "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": {":a": {"S": "a"}, ":low": {"S": "02"}, ":high": {"S": "07"}},
    }
    whole = desk("Query", **request).ok
    assert [item["at"]["S"] for item in whole["Items"]] == ["02", "03", "04", "05", "06", "07"]
    back = desk("Query", **request, ScanIndexForward=False, Limit=4).ok
    assert [item["at"]["S"] for item in back["Items"]] == ["07", "06", "05", "04"]
    rest = desk("Query", **request, ScanIndexForward=False, ExclusiveStartKey=back["LastEvaluatedKey"]).ok
    assert [item["at"]["S"] for item in rest["Items"]] == ["03", "02"]
    counted = desk("Query", **request, FilterExpression="even = :t", Select="COUNT")
    assert counted.fault == "ValidationException"
    request["ExpressionAttributeValues"] = {**request["ExpressionAttributeValues"], ":t": {"BOOL": True}}
    counted = desk("Query", **request, FilterExpression="even = :t", Select="COUNT").ok
    assert counted == {"Count": 3, "ScannedCount": 6}


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("#at = :a", "Query condition missed key schema element: id"),
        ("id > :a", "Query key condition not supported"),
        ("id = :a OR #at = :a", "Invalid operator used in KeyConditionExpression: OR"),
        ("id = :a AND #at <> :a", "Invalid operator used in KeyConditionExpression: <>"),
        ("id = :a AND #at = :a AND #at = :a", "KeyConditionExpressions must only contain one condition per key"),
        ("id = :a AND size(#at) = :a", "KeyConditionExpressions cannot contain nested operations"),
        ("id = :n", "Condition parameter type does not match schema type"),
    ],
)
def test_a_query_that_does_not_fit_the_key_is_refused(desk: Desk, condition: str, message: str):
    desk.table("ranged", range_key="at")
    values = {name: value for name, value in {":a": {"S": "a"}, ":n": {"N": "1"}}.items() if name in condition}
    names = {"ExpressionAttributeNames": {"#at": "at"}} if "#at" in condition else {}
    refused = desk(
        "Query",
        TableName="ranged",
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
        **names,
    )
    assert refused.fault == "ValidationException"
    assert message in refused.message


def test_number_keys_sort_by_value(desk: Desk):
    desk.table("numbered", kind="N")
    numbers = ["10", "9", "-1", "0", "1.5", "-20", "100"]
    for number in numbers:
        desk("PutItem", TableName="numbered", Item={"id": {"N": number}})
    found = [item["id"]["N"] for item in desk("Scan", TableName="numbered").ok["Items"]]
    assert found == sorted(numbers, key=float)
    assert desk("GetItem", TableName="numbered", Key={"id": {"N": "1.50"}}).ok["Item"] == {"id": {"N": "1.5"}}


def test_segments_of_a_scan_share_out_the_items(desk: Desk):
    desk.table()
    for number in range(20):
        desk("PutItem", TableName="things", Item={"id": {"S": str(number)}})
    parts = [desk("Scan", TableName="things", Segment=at, TotalSegments=3).ok["Items"] for at in range(3)]
    found = [item["id"]["S"] for part in parts for item in part]
    assert sorted(found) == sorted(map(str, range(20)))
    assert desk("Scan", TableName="things", Segment=3, TotalSegments=3).fault == "ValidationException"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "Missing the key id in the item"),
        ({"id": {"N": "1"}}, "Type mismatch for key id expected: S actual: N"),
        ({"id": {"S": ""}}, "cannot contain an empty string value. Key: id"),
        ({"id": {"S": "a" * 2049}}, "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        ({"id": {"S": "a"}, "x": {}}, "Supplied AttributeValue is empty"),
        ({"id": {"S": "a"}, "x": {"S": "a", "N": "1"}}, "more than one datatypes set"),
        ({"id": {"S": "a"}, "x": {"NULL": False}}, "Null attribute value types must have the value of true"),
        ({"id": {"S": "a"}, "x": {"SS": []}}, "An string set  may not be empty"),
        ({"id": {"S": "a"}, "x": {"SS": ["a", "a"]}}, "Input collection [a, a] contains duplicates."),
        ({"id": {"S": "a"}, "x": {"NS": ["1", "1.0"]}}, "Input collection contains duplicates"),
        ({"id": {"S": "a"}, "x": {"S": "a" * 410_000}}, "Item size has exceeded the maximum allowed size"),
    ],
)
def test_an_item_that_breaks_a_rule_is_refused(desk: Desk, item, message):
    desk.table()
    refused = desk("PutItem", TableName="things", Item=item)
    assert refused.fault == "ValidationException"
    assert message in refused.message


def test_nesting_beyond_32_levels_is_refused(desk: Desk):
    desk.table()
    value: dict[str, object] = {"S": "x"}
    for _ in range(32):
        value = {"L": [value]}
    item = {"id": {"S": "a"}, "x": value}
    assert desk("PutItem", TableName="things", Item=item).ok == {}
    deeper = desk("PutItem", TableName="things", Item={"id": {"S": "a"}, "x": {"L": [value]}})
    assert deeper.message == "Nesting Levels have exceeded supported limits"


def test_bad_base64_is_a_serialization_fault(desk: Desk):
    desk.table()
    for text in ("abc", "ab=c", "a*c="):
        assert desk("PutItem", TableName="things", Item={"id": {"S": "a"}, "b": {"B": text}}).status == 400


def test_batches_write_read_and_delete(desk: Desk):
    desk.table()
    puts = [{"PutRequest": {"Item": {"id": {"S": str(at)}}}} for at in range(25)]
    assert desk("BatchWriteItem", RequestItems={"things": puts}).ok == {"UnprocessedItems": {}}
    keys = [{"id": {"S": str(at)}} for at in range(30)]
    found = desk("BatchGetItem", RequestItems={"things": {"Keys": keys}}, ReturnConsumedCapacity="TOTAL").ok
    assert len(found["Responses"]["things"]) == 25
    assert found["UnprocessedKeys"] == {}
    assert found["ConsumedCapacity"][0]["TableName"] == "things"
    gone = [{"DeleteRequest": {"Key": key}} for key in keys[:5]]
    desk("BatchWriteItem", RequestItems={"things": gone}).ok  # noqa: B018
    assert desk("Scan", TableName="things", Select="COUNT").ok["Count"] == 20
    double = desk("BatchWriteItem", RequestItems={"things": [*gone[:1], *gone[:1]]})
    assert double.message == "Provided list of item keys contains duplicates"
    assert desk("BatchWriteItem", RequestItems={"things": puts + gone}).fault == "ValidationException"


def test_a_grant_on_a_table_and_prefix_reaches_just_that(desk: Desk):
    desk.table()
    robot = person("robot", (Grant("things", "ci/", (Right.LOCK,)),))
    assert desk("PutItem", robot, TableName="things", Item={"id": {"S": "ci/a"}}).ok == {}
    assert desk("PutItem", robot, TableName="things", Item={"id": {"S": "other"}}).fault == "AccessDeniedException"
    desk("PutItem", TableName="things", Item={"id": {"S": "other"}})
    assert [item["id"]["S"] for item in desk("Scan", robot, TableName="things").ok["Items"]] == ["ci/a"]
    assert desk("DeleteTable", robot, TableName="things").fault == "AccessDeniedException"


def test_a_put_and_a_delete_answer_the_old_item_when_asked_for(desk: Desk):
    name = desk.table()
    first, second = ({"id": {"S": "k"}, "n": {"N": number}} for number in ("1", "2"))
    assert desk("PutItem", TableName=name, Item=first, ReturnValues="ALL_OLD").ok == {}
    assert desk("PutItem", TableName=name, Item=second, ReturnValues="ALL_OLD").ok == {"Attributes": first}
    assert desk("PutItem", TableName=name, Item=first).ok == {}
    key = {"id": {"S": "k"}}
    assert desk("DeleteItem", TableName=name, Key=key, ReturnValues="ALL_OLD").ok == {"Attributes": first}
    assert desk("DeleteItem", TableName=name, Key=key, ReturnValues="ALL_OLD").ok == {}
    desk("PutItem", TableName=name, Item=second)
    for none in ({}, {"ReturnValues": "NONE"}):
        assert desk("DeleteItem", TableName=name, Key=key, **none).ok == {}
        assert desk("PutItem", TableName=name, Item=second, **none).ok == {}


def test_a_refused_put_or_delete_shows_the_item_only_when_asked_for(desk: Desk):
    name = desk.table()
    item = {"id": {"S": "k"}, "n": {"N": "1"}}
    desk("PutItem", TableName=name, Item=item)
    fails = {"TableName": name, "ConditionExpression": "attribute_not_exists(id)"}
    for action, what in (("PutItem", {"Item": item}), ("DeleteItem", {"Key": {"id": {"S": "k"}}})):
        assert "Item" not in desk(action, **fails, **what).body
        shown = desk(action, **fails, **what, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        assert (shown.fault, shown.body["Item"]) == ("ConditionalCheckFailedException", item)
