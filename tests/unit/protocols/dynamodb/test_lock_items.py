"""The lock and the digest as table items: what Terraform, OpenTofu and the AWS CLI do with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TypeVar

import pytest

from lockhouse.core.addresses import Address
from lockhouse.core.locks import Facet
from lockhouse.core.ports import Transaction
from lockhouse.core.principals import Grant, Right
from lockhouse.core.records import Namespace
from lockhouse.errors import StorageUnavailable
from lockhouse.runtime.engine import Engine
from lockhouse.service import locks
from lockhouse.service.callers import Caller
from lockhouse.service.locks import TakeLock
from lockhouse.storage.blobs.files import FileBlobs
from tests.unit.protocols.dynamodb.desk import Desk, document, person

T = TypeVar("T")

STATE = "acme/a/terraform.tfstate"
ANN, BOB = person("ann"), person("bob")


def take(desk: Desk, lock_id: str, who=ANN, **more):
    return desk(
        "PutItem",
        who,
        ConditionExpression="attribute_not_exists(LockID)",
        Item={"Info": {"S": document(lock_id)}, "LockID": {"S": STATE}},
        TableName="locks",
        **more,
    )


def show(desk: Desk, who=ANN, projection: str = "LockID, Info", lock_id: str = STATE, **more):
    return desk(
        "GetItem",
        who,
        ConsistentRead=True,
        Key={"LockID": {"S": lock_id}},
        ProjectionExpression=projection,
        TableName="locks",
        **more,
    )


def release(desk: Desk, who=ANN, lock_id: str = STATE, **more):
    return desk("DeleteItem", who, Key={"LockID": {"S": lock_id}}, TableName="locks", **more)


@pytest.fixture(autouse=True)
def _table(desk: Desk) -> None:
    desk.lock_table()


def test_a_lock_is_taken_shown_byte_for_byte_and_released(desk: Desk):
    assert take(desk, "L1").ok == {}
    assert show(desk).ok == {"Item": {"LockID": {"S": STATE}, "Info": {"S": document("L1")}}}
    assert release(desk).ok == {}
    assert show(desk).ok == {}


def test_a_second_lock_is_refused_in_the_words_of_aws(desk: Desk):
    take(desk, "L1")
    refused = take(desk, "L2", BOB)
    assert refused.status == 400
    assert refused.body == {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
    }


def test_a_second_lock_is_refused_with_the_holder_when_asked_for(desk: Desk):
    take(desk, "L1")
    refused = take(desk, "L2", BOB, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert refused.fault == "ConditionalCheckFailedException"
    assert refused.body["Item"] == {"LockID": {"S": STATE}, "Info": {"S": document("L1")}}


HOLDER = {"Item": {"LockID": {"S": STATE}, "Info": {"S": document("L1")}}}


@pytest.mark.parametrize("other", [BOB, ANN], ids=["own credential", "shared credential"])
def test_whoever_was_refused_is_shown_by_whom_even_if_that_lock_is_gone(desk: Desk, other):
    take(desk, "L1")
    assert take(desk, "L2", other).status == 400
    assert show(desk, ANN).ok == HOLDER  # the unlock reads first
    release(desk)
    assert show(desk, other).ok == HOLDER
    assert show(desk, other).ok == {}


@pytest.mark.parametrize("other", [BOB, ANN], ids=["own credential", "shared credential"])
def test_whoever_has_read_the_holder_is_not_shown_it_again(desk: Desk, other):
    take(desk, "L1")
    take(desk, "L2", other)
    assert show(desk, other).ok == HOLDER
    show(desk, ANN)
    release(desk)
    assert show(desk, other).ok == {}


def test_a_refusal_is_soon_forgotten(desk: Desk):
    take(desk, "L1")
    take(desk, "L2", BOB)
    release(desk)
    desk.now += 6
    assert show(desk, BOB).ok == {}


def test_the_same_lock_again_is_a_success_with_and_without_extras(desk: Desk):
    take(desk, "L1")
    assert take(desk, "L1").ok == {}
    assert take(desk, "L1", ReturnConsumedCapacity="TOTAL").ok["ConsumedCapacity"]["TableName"] == "locks"


def test_a_put_without_a_condition_does_not_overwrite_somebody_elses_lock(desk: Desk):
    take(desk, "L1")
    item = {"LockID": {"S": STATE}, "Info": {"S": document("L2")}}
    assert desk("PutItem", BOB, Item=item, TableName="locks").fault == "ConditionalCheckFailedException"
    assert json.loads(show(desk).ok["Item"]["Info"]["S"])["ID"] == "L1"


def test_an_unlock_after_reading_somebody_elses_lock_is_a_force_unlock_and_needs_that_right(desk: Desk):
    take(desk, "L1")
    weak = person("eve", (Grant("acme", "", (Right.LOCK, Right.READ, Right.WRITE)),))
    show(desk, weak)
    assert release(desk, weak).fault == "AccessDeniedException"
    show(desk, BOB)
    assert release(desk, BOB).ok == {}
    assert show(desk).ok.get("Item") is None


def test_opentofu_releases_with_its_condition_on_the_document(desk: Desk):
    take(desk, "L1")
    condition = {"ConditionExpression": "Info = :info"}
    wrong = {":info": {"S": document("L9")}}
    assert release(desk, ExpressionAttributeValues=wrong, **condition).fault == "ConditionalCheckFailedException"
    right = {":info": {"S": document("L1")}}
    assert release(desk, ExpressionAttributeValues=right, **condition).ok == {}
    assert show(desk).ok == {}


@pytest.mark.parametrize("condition", ["Info = :info", "attribute_exists(LockID) AND Info = :info"])
def test_a_condition_does_not_spare_anybody_the_right_to_force(desk: Desk, condition: str):
    take(desk, "L1")
    weak = person("eve", (Grant("acme", "", (Right.LOCK, Right.READ, Right.WRITE)),))
    values = {":info": {"S": document("L1")}}
    refused = release(desk, weak, ConditionExpression=condition, ExpressionAttributeValues=values)
    assert refused.fault == "AccessDeniedException"
    assert release(desk, BOB, ConditionExpression=condition, ExpressionAttributeValues=values).ok == {}
    state = desk.store.read(lambda tx: tx.lock(tx.state(Address("acme", "a/terraform.tfstate"))))
    assert [fence.credential for fence in state.fences] == ["c-ann"]


def test_a_digest_that_differs_from_the_state_is_told_in_the_log(desk: Desk, caplog: pytest.LogCaptureFixture):
    desk.keep("a/terraform.tfstate", b"{1}")
    right = hashlib.md5(b"{1}").hexdigest()
    for digest, lines in ((right, 0), ("0" * 32, 1)):
        item = {"LockID": {"S": STATE + "-md5"}, "Digest": {"S": digest}}
        assert desk("PutItem", Item=item, TableName="locks").ok == {}
        assert len(caplog.records) == lines


def test_a_scan_of_many_locks_comes_in_pages(desk: Desk):
    for number in range(510):
        item = {"LockID": {"S": f"acme/{number}"}, "Info": {"S": f"L{number}"}}
        desk("PutItem", Item=item, TableName="locks", ConditionExpression="attribute_not_exists(LockID)")
    first = desk("Scan", TableName="locks").ok
    assert first["Count"] == 500
    rest = desk("Scan", TableName="locks", ExclusiveStartKey=first["LastEvaluatedKey"]).ok
    found = {item["LockID"]["S"] for item in [*first["Items"], *rest["Items"]]}
    assert found == {f"acme/{number}" for number in range(510)}


def test_releasing_a_lock_that_is_gone_is_a_success(desk: Desk):
    assert release(desk).ok == {}
    take(desk, "L1")
    release(desk)
    assert release(desk).ok == {}


def test_a_text_that_is_no_lock_document_is_a_lock_too(desk: Desk):
    put = {"ConditionExpression": "attribute_not_exists(LockID)", "TableName": "locks"}
    assert desk("PutItem", ANN, Item={"LockID": {"S": STATE}, "Info": {"S": "mine"}}, **put).ok == {}
    assert desk("PutItem", BOB, Item={"LockID": {"S": STATE}, "Info": {"S": "his"}}, **put).status == 400
    assert show(desk).ok["Item"]["Info"] == {"S": "mine"}


def test_a_digest_is_computed_from_the_current_version(desk: Desk):
    assert show(desk, projection="LockID, Digest", lock_id=STATE + "-md5").ok == {}
    desk.keep("a/terraform.tfstate", b"{1}")
    digest = hashlib.md5(b"{1}").hexdigest()
    shown = show(desk, projection="LockID, Digest", lock_id=STATE + "-md5").ok
    assert shown == {"Item": {"LockID": {"S": STATE + "-md5"}, "Digest": {"S": digest}}}


def test_writing_or_deleting_a_digest_is_answered_and_changes_nothing(desk: Desk):
    desk.keep("a/terraform.tfstate", b"{1}")
    item = {"LockID": {"S": STATE + "-md5"}, "Digest": {"S": "0" * 32}}
    assert desk("PutItem", Item=item, TableName="locks").ok == {}
    assert release(desk, lock_id=STATE + "-md5").ok == {}
    update = {
        "Key": {"LockID": {"S": STATE + "-md5"}},
        "UpdateExpression": "SET Digest = :d",
        "ExpressionAttributeValues": {":d": {"S": "1" * 32}},
    }
    assert desk("UpdateItem", TableName="locks", **update).ok == {}
    reader = person("eve", (Grant("acme", "", (Right.READ,)), Grant("locks", "", (Right.READ, Right.WRITE))))
    assert desk("UpdateItem", TableName="locks", **update, who=reader).fault == "AccessDeniedException"
    both = update | {"UpdateExpression": "SET Digest = :d, Info = :d"}
    assert desk("UpdateItem", TableName="locks", **both).fault == "ValidationException"
    shown = show(desk, projection="LockID, Digest", lock_id=STATE + "-md5").ok
    assert shown["Item"]["Digest"]["S"] == hashlib.md5(b"{1}").hexdigest()


def test_a_key_that_ends_like_a_digest_can_be_locked(desk: Desk):
    item = {"LockID": {"S": "acme/x-md5"}, "Info": {"S": document("L1", "acme/x-md5")}}
    condition = "attribute_not_exists(LockID)"
    assert desk("PutItem", Item=item, TableName="locks", ConditionExpression=condition).ok == {}
    assert show(desk, lock_id="acme/x-md5").ok["Item"] == item
    assert release(desk, lock_id="acme/x-md5").ok == {}
    assert show(desk, lock_id="acme/x-md5").ok == {}


def test_a_lock_item_with_other_attributes_is_refused(desk: Desk):
    item = {"LockID": {"S": STATE}, "Info": {"S": "x"}, "more": {"S": "y"}}
    assert desk("PutItem", Item=item, TableName="locks").fault == "ValidationException"
    update = {"UpdateExpression": "SET Info = :i", "ExpressionAttributeValues": {":i": {"S": "x"}}}
    key = {"LockID": {"S": STATE}}
    assert desk("UpdateItem", TableName="locks", Key=key, **update).fault == "ValidationException"


def test_items_of_other_names_in_the_lock_table_are_ordinary(desk: Desk):
    item = {"LockID": {"S": "other/a"}, "Info": {"S": "x"}, "n": {"N": "1"}}
    assert desk("PutItem", Item=item, TableName="locks").ok == {}
    assert desk("GetItem", Key={"LockID": {"S": "other/a"}}, TableName="locks").ok["Item"] == item
    assert release(desk, lock_id="other/a").ok == {}
    assert desk("GetItem", Key={"LockID": {"S": "other/a"}}, TableName="locks").ok == {}


def test_a_get_without_a_projection_shows_the_lock_or_else_the_digest(desk: Desk):
    desk.keep("a/terraform.tfstate", b"{1}")
    whole = {"Key": {"LockID": {"S": STATE}}, "TableName": "locks"}
    assert desk("GetItem", **whole).ok == {}
    take(desk, "L1")
    assert desk("GetItem", **whole).ok["Item"]["Info"]["S"] == document("L1")
    digest = desk("GetItem", Key={"LockID": {"S": STATE + "-md5"}}, TableName="locks").ok
    assert digest["Item"]["Digest"]["S"] == hashlib.md5(b"{1}").hexdigest()


def test_scan_shows_ordinary_items_locks_and_digests_page_by_page(desk: Desk):
    desk.keep("a/terraform.tfstate", b"{1}")
    desk.keep("b/terraform.tfstate", b"{2}")
    take(desk, "L1")
    desk("PutItem", Item={"LockID": {"S": "plain"}}, TableName="locks")
    expected = {"plain", STATE, STATE + "-md5", "acme/b/terraform.tfstate-md5"}
    whole = desk("Scan", TableName="locks").ok
    assert {item["LockID"]["S"] for item in whole["Items"]} == expected
    assert whole["Count"] == whole["ScannedCount"] == 4
    seen, start = [], {}
    for _ in range(9):
        page = desk("Scan", TableName="locks", Limit=1, **start).ok
        seen += [item["LockID"]["S"] for item in page["Items"]]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert sorted(seen) == sorted(expected)


def test_scan_shows_nobody_locks_of_places_without_a_grant(desk: Desk):
    take(desk, "L1")
    outsider = person("eve", (Grant("elsewhere", "", (Right.READ,)),))
    assert desk("Scan", outsider, TableName="locks").ok["Items"] == []
    assert show(desk, outsider).fault == "AccessDeniedException"
    assert take(desk, "L2", outsider).fault == "AccessDeniedException"


def test_query_and_batch_get_show_lock_items(desk: Desk):
    take(desk, "L1")
    found = desk(
        "Query",
        TableName="locks",
        KeyConditionExpression="LockID = :l",
        ExpressionAttributeValues={":l": {"S": STATE}},
    ).ok
    assert [item["Info"]["S"] for item in found["Items"]] == [document("L1")]
    batch = desk("BatchGetItem", RequestItems={"locks": {"Keys": [{"LockID": {"S": STATE}}]}}).ok
    assert batch["Responses"]["locks"][0]["Info"]["S"] == document("L1")


def test_batch_write_takes_and_releases_locks(desk: Desk):
    item = {"LockID": {"S": STATE}, "Info": {"S": document("L1")}}
    assert desk("BatchWriteItem", RequestItems={"locks": [{"PutRequest": {"Item": item}}]}).ok["UnprocessedItems"] == {}
    assert take(desk, "L2", BOB).fault == "ConditionalCheckFailedException"
    other = {"LockID": {"S": STATE}, "Info": {"S": document("L2")}}
    put = desk("BatchWriteItem", BOB, RequestItems={"locks": [{"PutRequest": {"Item": other}}]})
    assert put.fault == "ValidationException"
    gone = desk("BatchWriteItem", RequestItems={"locks": [{"DeleteRequest": {"Key": {"LockID": {"S": STATE}}}}]})
    assert gone.status == 200
    assert show(desk).ok == {}


@pytest.mark.parametrize(
    "refused",
    [
        {"LockID": {"S": "acme/held.tfstate"}, "Info": {"S": document("L1")}},
        {"LockID": {"S": "plain"}, "Note": {"S": "x" * 400 * 1024}},
    ],
)
def test_a_batch_that_is_refused_keeps_no_lock_and_stores_nothing(desk: Desk, refused):
    held = {"LockID": {"S": "acme/held.tfstate"}, "Info": {"S": document("B1")}}
    assert desk("PutItem", BOB, TableName="locks", Item=held).ok == {}
    note = {"LockID": {"S": "note"}, "Note": {"S": "hello"}}
    lock = {"LockID": {"S": STATE}, "Info": {"S": document("L1")}}
    puts = [{"PutRequest": {"Item": each}} for each in (note, lock, refused)]
    assert desk("BatchWriteItem", RequestItems={"locks": puts}).fault == "ValidationException"
    assert show(desk).ok == {}
    assert desk("GetItem", TableName="locks", Key={"LockID": {"S": "note"}}).ok == {}
    assert take(desk, "L2", BOB).ok == {}


def test_a_batch_that_is_refused_keeps_the_lock_that_its_sender_held_before(desk: Desk):
    take(desk, "L1")
    lock = {"LockID": {"S": STATE}, "Info": {"S": document("L1")}}
    large = {"LockID": {"S": "plain"}, "Note": {"S": "x" * 400 * 1024}}
    puts = [{"PutRequest": {"Item": each}} for each in (lock, large)]
    assert desk("BatchWriteItem", RequestItems={"locks": puts}).fault == "ValidationException"
    assert take(desk, "L2", BOB).fault == "ConditionalCheckFailedException"


def test_every_lock_table_shows_the_same_lock_and_a_missing_table_none(desk: Desk):
    desk.table("second", "LockID")
    take(desk, "L1")
    item = {"LockID": {"S": STATE}, "Info": {"S": document("L2")}}
    condition = "attribute_not_exists(LockID)"
    again = desk("PutItem", BOB, Item=item, TableName="second", ConditionExpression=condition)
    assert again.fault == "ConditionalCheckFailedException"
    missing = desk("PutItem", Item=item, TableName="nowhere", ConditionExpression=condition)
    assert missing.fault == "ResourceNotFoundException"
    assert "Requested resource not found" in missing.message


def test_long_texts_that_begin_alike_are_two_locks(desk: Desk):
    def lock(end: str):
        return desk("PutItem", ANN, TableName="locks", Item={"LockID": {"S": STATE}, "Info": {"S": "x" * 300 + end}})

    assert lock("a").ok == {}
    assert lock("a").ok == {}
    assert lock("b").fault == "ConditionalCheckFailedException"


def test_a_lock_without_any_document_is_refused(desk: Desk):
    item = {"Info": {"S": ""}, "LockID": {"S": STATE}}
    refused = desk("PutItem", ANN, TableName="locks", Item=item, ConditionExpression="attribute_not_exists(LockID)")
    assert refused.fault == "ValidationException"


def test_a_refusal_does_not_tell_which_namespaces_there_are(desk: Desk):
    stranger = person("eve", (Grant("elsewhere", "", (Right.READ,)),))
    there, not_there = (
        desk("GetItem", stranger, TableName="locks", Key={"LockID": {"S": f"{name}/a"}}) for name in ("acme", "none")
    )
    assert there.fault == not_there.fault == "AccessDeniedException"
    assert there.body["message"].replace("acme", "none") == not_there.body["message"]


@pytest.mark.parametrize("lock_id", [STATE, "acme/b-md5"])
def test_whoever_asks_for_the_lock_id_alone_is_told_whether_there_is_something(desk: Desk, lock_id):
    assert show(desk, projection="LockID", lock_id=lock_id).ok == {}
    take(desk, "L1")
    desk.keep("b")
    assert show(desk, projection="LockID", lock_id=lock_id).ok == {"Item": {"LockID": {"S": lock_id}}}
    assert show(desk, projection="nothing", lock_id=lock_id).ok == {"Item": {}}
    batch = {"locks": {"Keys": [{"LockID": {"S": lock_id}}], "ProjectionExpression": "LockID"}}
    assert desk("BatchGetItem", ANN, RequestItems=batch).ok["Responses"] == {"locks": [{"LockID": {"S": lock_id}}]}
    stranger = person("eve", (Grant("locks", "", (Right.READ,)),))
    assert show(desk, stranger, projection="LockID", lock_id=lock_id).ok == {}


def test_a_look_at_the_lock_id_alone_is_no_look_at_the_lock(desk: Desk):
    """So its reader's unlock is still that of somebody who has not seen which lock it is."""
    take(desk, "L1")
    reader = person("bob", (Grant("*", "", (Right.READ, Right.LOCK)),))
    show(desk, reader, projection="LockID")
    assert release(desk, reader).fault == "AccessDeniedException"
    assert show(desk).ok == HOLDER


def test_a_lock_document_larger_than_an_item_is_refused(desk: Desk):
    for put in ({"ConditionExpression": "attribute_not_exists(LockID)"}, {}):
        item = {"LockID": {"S": STATE}, "Info": {"S": "x" * 409_600}}
        refused = desk("PutItem", TableName="locks", Item=item, **put)
        assert (refused.fault, refused.message) == (
            "ValidationException",
            "Item size has exceeded the maximum allowed size",
        )
    fits = {"LockID": {"S": STATE}, "Info": {"S": "x" * (409_600 - len("LockIDInfo") - len(STATE))}}
    assert desk("PutItem", TableName="locks", Item=fits).ok == {}


def put(desk: Desk, condition: str, lock_id: str = "L1", who=ANN, **more):
    item = {"Info": {"S": document(lock_id)}, "LockID": {"S": STATE}}
    return desk("PutItem", who, ConditionExpression=condition, Item=item, TableName="locks", **more)


ALL_OLD = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def test_a_condition_that_does_not_hold_takes_no_lock_and_leaves_one(desk: Desk):
    wants = "attribute_exists(LockID)"
    refused = put(desk, wants, **ALL_OLD)
    assert (refused.fault, refused.body.get("Item")) == ("ConditionalCheckFailedException", None)
    assert show(desk).ok == {}
    take(desk, "L1")
    assert put(desk, wants).ok == {}
    refused = put(desk, "attribute_exists(Nothing)", **ALL_OLD)
    assert (refused.fault, refused.body["Item"]) == ("ConditionalCheckFailedException", HOLDER["Item"])
    assert "Item" not in put(desk, "attribute_exists(Nothing)").body
    assert put(desk, wants, "L2", BOB).fault == "ConditionalCheckFailedException"
    assert show(desk).ok == HOLDER


def test_a_release_answers_what_was_there_when_asked_for(desk: Desk):
    take(desk, "L1")
    wants = {"ConditionExpression": "attribute_exists(Nothing)"}
    refused = release(desk, **wants, **ALL_OLD)
    assert (refused.fault, refused.body["Item"]) == ("ConditionalCheckFailedException", HOLDER["Item"])
    assert "Item" not in release(desk, **wants).body
    assert release(desk, ReturnValues="ALL_OLD").ok == {"Attributes": HOLDER["Item"]}
    assert release(desk, ReturnValues="ALL_OLD").ok == {}
    take(desk, "L1")
    assert release(desk, ReturnValues="NONE").ok == {}
    assert show(desk).ok == {}


def test_a_condition_on_a_document_releases_that_very_lock_though_another_was_read_before(desk: Desk):
    take(desk, "L1")
    show(desk)
    release(desk)
    take(desk, "L2", BOB)
    plain = person("ann", (Grant("acme", "", (Right.READ, Right.LOCK)),))
    holds = {
        "ConditionExpression": "Info = :info",
        "ExpressionAttributeValues": {":info": {"S": document("L2")}},
    }
    assert release(desk, plain, **holds).fault == "AccessDeniedException"
    assert show(desk, BOB).ok["Item"]["Info"] == {"S": document("L2")}
    assert release(desk, BOB, **holds).ok == {}


def test_an_ordinary_item_under_the_name_of_a_state_is_deleted_as_one(desk: Desk):
    item = {"LockID": {"S": STATE}, "Owner": {"S": "ann"}}
    assert desk("PutItem", TableName="locks", Item=item).ok == {}
    take(desk, "L1")
    assert release(desk, ReturnValues="ALL_OLD").ok["Attributes"] == HOLDER["Item"]
    assert release(desk, ReturnValues="ALL_OLD").ok == {"Attributes": item}
    assert release(desk, ReturnValues="ALL_OLD").ok == {}


NOTE = {"LockID": {"S": STATE}, "Owner": {"S": "ann"}}
KEY = {"LockID": {"S": STATE}}


def put_note(desk: Desk, item=NOTE, who=ANN, **more):
    return desk("PutItem", who, TableName="locks", Item=item, **more)


def lock_over_http(desk: Desk, key: str) -> None:
    caller = Caller(ANN, desk.now, "http")
    command = TakeLock(Address("acme", key), Facet.HTTP, document("H1", "").encode())
    desk.store.write(lambda tx: locks.take(tx, caller, command))


def walk(desk: Desk, who=ANN, limit: int = 1, **more) -> list[dict]:
    """All items of a table, page by page; counts agree with what is shown."""
    found: list[dict] = []
    start: dict = {}
    for _ in range(99):
        page = desk("Scan", who, TableName="locks", Limit=limit, **start, **more).ok
        assert page["Count"] == page["ScannedCount"] == len(page["Items"]) <= limit
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    raise AssertionError("the pages do not end")


def reads(desk: Desk, key: str, who=ANN) -> list[list[dict]]:
    """What each kind of read answers for a key, without a projection and with one of the key alone."""
    named = {"LockID": {"S": key}}
    by_key = {"KeyConditionExpression": "LockID = :l", "ExpressionAttributeValues": {":l": {"S": key}}}
    found = []
    for more in ({}, {"ProjectionExpression": "LockID"}):
        found.append(
            [each for each in [desk("GetItem", who, TableName="locks", Key=named, **more).ok.get("Item")] if each]
        )
        asked = {"locks": {"Keys": [named], **more}}
        found.append(desk("BatchGetItem", who, RequestItems=asked).ok["Responses"]["locks"])
        for search in (by_key, {}):
            page = desk("Query" if search else "Scan", who, TableName="locks", **search, **more).ok
            items = [each for each in page["Items"] if each["LockID"] == {"S": key}]
            assert page["Count"] == page["ScannedCount"] == len(page["Items"])
            found.append(items)
        found.append([each for each in walk(desk, who, **more) if each["LockID"] == {"S": key}])
    return found


def test_one_key_shows_one_item_in_every_read_the_lock_while_it_is_held(desk: Desk):
    put_note(desk)
    assert reads(desk, STATE) == [[NOTE]] * 5 + [[KEY]] * 5
    lock_over_http(desk, "a/terraform.tfstate")
    held = show(desk, projection="LockID, Info").ok["Item"]
    assert reads(desk, STATE) == [[held]] * 5 + [[KEY]] * 5
    assert show(desk, projection="#o", ExpressionAttributeNames={"#o": "Owner"}).ok == {"Item": {}}
    release(desk)
    assert reads(desk, STATE) == [[NOTE]] * 5 + [[KEY]] * 5


def test_a_digest_covers_an_ordinary_item_too_and_a_lock_of_that_name_covers_the_digest(desk: Desk):
    key = f"{STATE}-md5"
    note = {"LockID": {"S": key}, "Owner": {"S": "ann"}}
    put_note(desk, note)
    desk.keep("a/terraform.tfstate", b"{1}")
    digest = {"LockID": {"S": key}, "Digest": {"S": hashlib.md5(b"{1}").hexdigest()}}
    assert reads(desk, key)[:5] == [[digest]] * 5
    assert put_note(desk, note).fault == "ValidationException"
    assert release(desk, lock_id=key, ReturnValues="ALL_OLD").ok == {"Attributes": digest}
    lock_over_http(desk, "a/terraform.tfstate-md5")
    assert [list(each[0]) for each in reads(desk, key)[:5]] == [["LockID", "Info"]] * 5
    assert show(desk, lock_id=key, projection="LockID, Digest").ok == {"Item": digest}


def test_nothing_is_written_over_a_held_lock_and_conditions_are_about_the_lock(desk: Desk):
    take(desk, "L1")
    refused = put_note(
        desk, ConditionExpression="attribute_not_exists(LockID)", ReturnValuesOnConditionCheckFailure="ALL_OLD"
    )
    assert (refused.fault, refused.body["Item"]) == ("ConditionalCheckFailedException", HOLDER["Item"])
    change = {"UpdateExpression": "SET #o = :b", "ExpressionAttributeNames": {"#o": "Owner"}}
    values = {"ExpressionAttributeValues": {":b": {"S": "bob"}}}
    unheld = {**change, **values, "ConditionExpression": "attribute_not_exists(Info)"}
    assert desk("UpdateItem", TableName="locks", Key=KEY, **unheld).fault == "ConditionalCheckFailedException"
    for refused in (
        put_note(desk),
        put_note(desk, ConditionExpression="attribute_exists(Info)"),
        put_note(desk, who=BOB),
        desk("UpdateItem", TableName="locks", Key=KEY, **change, **values),
        desk("BatchWriteItem", RequestItems={"locks": [{"PutRequest": {"Item": NOTE}}]}),
    ):
        assert refused.fault == "ValidationException"
        assert f"'{STATE}' is kept here" in refused.message
    assert release(desk).ok == {}
    assert reads(desk, STATE) == [[]] * 10
    assert put_note(desk).ok == {}


def test_whoever_may_not_see_the_lock_sees_and_writes_the_ordinary_item(desk: Desk):
    take(desk, "L1")
    keeper = person("eve", (Grant("locks", "", (Right.WRITE,)), Grant("acme", "else", (Right.READ,))))
    assert put_note(desk, who=keeper).ok == {}
    assert walk(desk, keeper) == [NOTE]
    assert walk(desk) == [HOLDER["Item"]]
    release(desk)
    assert walk(desk) == [NOTE]


def test_pages_go_on_in_key_order_whatever_is_locked_or_deleted_between_them(desk: Desk):
    desk.store.write(lambda tx: tx.create_namespace(Namespace("acme-b", desk.now)))
    for key in ("foo", "foo!x", "foo-a", "foo-md5", "foo.b", "zoo"):
        desk.keep(key)
    notes = ["acme-b/n", "acme/foo", "acme/foo-b", "acme/m", "aaa", "zzz"]
    for each in notes:
        put_note(desk, {"LockID": {"S": each}})
    digests = [f"acme/{key}-md5" for key in ("foo", "foo!x", "foo-a", "foo-md5", "foo.b", "zoo")]
    expected = sorted({*notes, *digests}, key=str.encode)
    for limit in (1, 2, 3, 50):
        assert [each["LockID"]["S"] for each in walk(desk, limit=limit)] == expected
    seen: list[str] = []
    start: dict = {}
    while True:
        page = desk("Scan", TableName="locks", Limit=1, **start).ok
        for item in page["Items"]:
            key = item["LockID"]["S"]
            seen.append(key)
            release(desk, lock_id=key)  # an ordinary item is gone then
            if key == "acme/foo":
                lock_over_http(desk, "foo-md5")
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert seen == expected
    parts = [walk(desk, limit=2, Segment=at, TotalSegments=3) for at in range(3)]
    assert sorted(each["LockID"]["S"] for part in parts for each in part) == sorted(digests)


def test_a_digest_under_the_name_of_a_state_is_none(desk: Desk):
    desk.keep("a/terraform.tfstate")
    digest = {"LockID": {"S": f"{STATE}-md5"}, "Digest": {"S": hashlib.md5(b'{"version":4}').hexdigest()}}
    assert release(desk, lock_id=f"{STATE}-md5", ReturnValues="ALL_OLD").ok == {"Attributes": digest}
    desk.keep("a/terraform.tfstate-md5")
    assert release(desk, lock_id=f"{STATE}-md5", ReturnValues="ALL_OLD").ok == {}


class Meanwhile(Engine):
    """A namespace is made before the command of this number, when what it is about was looked at."""

    number = 0

    async def write(self, command: Callable[[Transaction], T]) -> T:
        self.number -= 1
        if not self.number:
            await super().write(lambda tx: tx.create_namespace(Namespace("fresh", 1.0)))
        return await super().write(command)


@pytest.mark.parametrize(("action", "number"), [("PutItem", 2), ("BatchWriteItem", 1)])
def test_a_lock_whose_namespace_is_made_in_the_same_moment_is_never_an_ordinary_item(
    desk: Desk, tmp_path, action: str, number: int
):
    """Else two could have it: one as a lock, and one as an item that no other protocol knows of."""
    engine = Meanwhile(desk.store, FileBlobs(tmp_path / "more"))
    desk.loop.call_soon(engine.start)
    engine.number, desk.house.engine, desk.house.locking.engine = number, engine, engine
    item = {"Info": {"S": document("one")}, "LockID": {"S": "fresh/a.tfstate"}}

    def put():
        if action == "BatchWriteItem":
            return desk(action, ANN, RequestItems={"locks": [{"PutRequest": {"Item": item}}]})
        return desk(action, ANN, Item=item, TableName="locks", ConditionExpression="attribute_not_exists(LockID)")

    refused = put()
    assert refused.status in (500, 503)
    assert "same moment" in refused.message
    assert put().status == 200
    state = desk.store.read(lambda tx: tx.state(Address("fresh", "a.tfstate")))
    assert desk.store.read(lambda tx: tx.lock(state)).lock.id == "one"
    assert not desk.store.read(lambda tx: tx.items("locks"))


class Rough(Engine):
    """The next command after this many fails."""

    left = 0

    async def write(self, command: Callable[[Transaction], T]) -> T:
        self.left -= 1
        if self.left == -1:
            raise StorageUnavailable("the database is away", hint="wait")
        return await super().write(command)


def test_locks_of_a_refused_batch_are_given_back_though_one_of_them_cannot_be(desk: Desk, tmp_path):
    take(desk, "one", BOB)
    engine = Rough(desk.store, FileBlobs(tmp_path / "more"))
    desk.loop.call_soon(engine.start)
    engine.left, desk.house.engine, desk.house.locking.engine = (
        3,
        engine,
        engine,
    )  # two are granted, the third is refused, and the first does not go back
    names = ["acme/x.tfstate", "acme/y.tfstate", STATE]
    puts = [{"PutRequest": {"Item": {"Info": {"S": document(name)}, "LockID": {"S": name}}}} for name in names]
    assert desk("BatchWriteItem", ANN, RequestItems={"locks": puts}).fault == "ValidationException"
    locked = {
        name: desk.store.read(lambda tx, name=name: tx.lock(tx.state(Address("acme", name)))).lock is not None
        for name in ("x.tfstate", "y.tfstate")
    }
    assert locked == {"x.tfstate": True, "y.tfstate": False}
