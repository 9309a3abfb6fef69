"""The same expressions on the same item, here and in moto: where moto does as AWS does, we must agree."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.unit.protocols.dynamodb.desk import Desk

ITEM = {
    "id": {"S": "a"},
    "s": {"S": "hello"},
    "n": {"N": "5"},
    "big": {"N": "12345678901234567890123456789012345678"},
    "b": {"B": "AQI="},
    "yes": {"BOOL": True},
    "nil": {"NULL": True},
    "l": {"L": [{"S": "x"}, {"N": "1"}, {"M": {"deep": {"S": "y"}}}]},
    "m": {"M": {"k": {"N": "2"}, "o": {"L": [{"S": "p"}]}}},
    "ss": {"SS": ["p", "q"]},
    "ns": {"NS": ["1", "2"]},
}
VALUES = {
    ":s": {"S": "hello"},
    ":h": {"S": "he"},
    ":l": {"S": "ell"},
    ":n": {"N": "5"},
    ":n2": {"N": "7"},
    ":big": {"N": "12345678901234567890123456789012345677"},
    ":t": {"BOOL": True},
    ":x": {"S": "x"},
    ":p": {"S": "p"},
    ":S": {"S": "S"},
    ":SS": {"S": "SS"},
    ":list": {"L": [{"S": "z"}]},
    ":set": {"SS": ["p", "r"]},
    ":zero": {"N": "0"},
}
CONDITIONS = [
    "attribute_exists(id)",
    "attribute_not_exists(id)",
    "attribute_not_exists(nope)",
    "attribute_exists(m.k)",
    "attribute_exists(m.nope)",
    "attribute_exists(l[2].deep)",
    "attribute_exists(l[3])",
    "s = :s",
    "s <> :s",
    "s = :n",
    "s <> :n",
    "n < :n2",
    "n <= :n",
    "n > :n",
    "n >= :n",
    "n <> :n2",
    "big > :big",
    "big = :big",
    "nope <> :n",
    "nope = :n",
    "m.k < n",
    "yes = :t",
    "n BETWEEN :zero AND :n2",
    "n BETWEEN :n AND :n2",
    "n IN (:n, :n2)",
    "s IN (:x, :p)",
    "begins_with(s, :h)",
    "begins_with(s, :l)",
    "contains(s, :l)",
    "contains(s, :x)",
    "contains(ss, :p)",
    "contains(ss, :x)",
    "contains(l, :x)",
    "contains(l, :n)",
    "size(s) = :n",
    "size(s) > :n",
    "size(l) < :n",
    "size(ss) <> :n",
    "attribute_type(s, :S)",
    "attribute_type(ss, :SS)",
    "attribute_type(n, :S)",
    "NOT s = :s",
    "NOT (s = :x OR n = :n)",
    "s = :x OR n = :n AND yes = :t",
    "(s = :x OR n = :n) AND yes = :t",
    "s = :s AND n = :n AND NOT contains(ss, :x)",
    "attribute_exists(id) and (s = :x or s = :s)",
]
UPDATES = [
    "SET n = n + :n2",
    "SET n = n - :n2",
    "SET n = :n2 - n",
    "SET fresh = if_not_exists(fresh, :zero)",
    "SET n = if_not_exists(n, :zero) + :n",
    "SET l = list_append(l, :list)",
    "SET l = list_append(:list, l)",
    "SET l[0] = :p",
    "SET l[9] = :p",
    "SET m.k = :p",
    "SET m.fresh = :p, s = :x",
    "SET m.o[0] = :s",
    "SET s = n, n = :n2",
    "REMOVE s",
    "REMOVE nope",
    "REMOVE l[0], l[2]",
    "REMOVE m.k",
    "ADD n :n2",
    "ADD fresh :n2",
    "ADD ss :set",
    "ADD fresh :set",
    "DELETE ss :set",
    "SET s = :x REMOVE n ADD ns2 :set DELETE ss :set",
    "set s = :x remove n",
]
REFUSED = [
    "SET id = :x",
    "SET a = :x, a = :p",
    "SET a.b = :x, a = :p",
    "SET s = missing",
    "SET s = s + :n",
    "ADD s :n",
    "ADD n :x",
    "DELETE n :set",
    "SET nope.x = :x",
    "SET s = :x SET n = :n",
    "SET",
    "SET s",
    "SET s :x",
    "SET s = :undefined",
    "FROB s :x",
    "SET date = :x",
]


@pytest.fixture(scope="module")
def moto() -> Iterator[boto3.client]:
    with mock_aws():
        client = boto3.client(
            "dynamodb",
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(parameter_validation=False),
        )
        client.create_table(
            TableName="things",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


def used(expression: str) -> dict[str, dict[str, object]]:
    names = expression.replace("(", " ").replace(")", " ").replace(",", " ").split()
    return {name: value for name, value in VALUES.items() if name in names}


def with_values(expression: str) -> dict[str, object]:
    values = used(expression)
    return {"ExpressionAttributeValues": values} if values else {}


def bytes_of(item: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """boto3 takes and gives bytes where the wire has base64."""
    return {name: {"B": b"\x01\x02"} if "B" in value else value for name, value in item.items()}


def tidy(item: object) -> object:
    if isinstance(item, dict):
        return {
            key: sorted(value) if key in ("SS", "NS") and isinstance(value, list) else tidy(value)
            for key, value in item.items()
        }
    return [tidy(each) for each in item] if isinstance(item, list) else item


@pytest.mark.parametrize("expression", CONDITIONS)
def test_a_condition_holds_here_when_it_holds_there(desk: Desk, moto, expression: str):
    desk.table()
    desk("PutItem", TableName="things", Item=ITEM)
    moto.put_item(TableName="things", Item=bytes_of(ITEM))
    request = {"TableName": "things", "ConditionExpression": expression, **with_values(expression)}
    try:
        moto.put_item(Item=bytes_of(ITEM), **request)
        theirs = ""
    except ClientError as error:
        theirs = error.response["Error"]["Code"]
    assert desk("PutItem", Item=ITEM, **request).fault == theirs


@pytest.mark.parametrize("expression", UPDATES)
def test_an_update_leaves_the_same_item(desk: Desk, moto, expression: str):
    desk.table()
    desk("PutItem", TableName="things", Item=ITEM)
    moto.put_item(TableName="things", Item=bytes_of(ITEM))
    request = {"Key": {"id": {"S": "a"}}, "TableName": "things", "UpdateExpression": expression}
    request |= with_values(expression)
    theirs = moto.update_item(ReturnValues="ALL_NEW", **request)["Attributes"]
    ours = desk("UpdateItem", ReturnValues="ALL_NEW", **request).ok["Attributes"]
    assert tidy(bytes_of(ours)) == tidy(theirs)


@pytest.mark.parametrize("expression", REFUSED)
def test_a_bad_update_is_refused_by_both_and_changes_nothing(desk: Desk, moto, expression: str):
    desk.table()
    desk("PutItem", TableName="things", Item=ITEM)
    moto.put_item(TableName="things", Item=bytes_of(ITEM))
    request = {"Key": {"id": {"S": "a"}}, "TableName": "things", "UpdateExpression": expression}
    request |= with_values(expression)
    with pytest.raises(ClientError) as error:
        moto.update_item(**request)
    ours = desk("UpdateItem", **request)
    assert ours.fault == error.value.response["Error"]["Code"] == "ValidationException"
    assert desk("GetItem", TableName="things", Key={"id": {"S": "a"}}).ok["Item"] == ITEM
