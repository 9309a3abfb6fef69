"""Buckets and their documents through boto3 against the real process."""

import base64
import hashlib

import pytest
from botocore.exceptions import ClientError

from tests.wire.s3.test_objects_boto3 import refused

RULE = {
    "ID": "old",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
}


def lifecycle(rule):
    return b"<LifecycleConfiguration><Rule><Status>Enabled</Status>" + rule + b"</Rule></LifecycleConfiguration>"


def test_a_bucket_comes_and_goes(s3, connect):
    s3.create_bucket(Bucket="comes-and-goes", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert s3.head_bucket(Bucket="comes-and-goes")["BucketRegion"] == "eu-central-1"
    assert s3.get_bucket_location(Bucket="comes-and-goes")["LocationConstraint"] == "eu-central-1"
    assert refused(s3.create_bucket, Bucket="comes-and-goes")[:2] == ("BucketAlreadyOwnedByYou", 409)
    assert "comes-and-goes" in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    version = s3.put_object(Bucket="comes-and-goes", Key="o", Body=b"x")["VersionId"]
    s3.delete_object(Bucket="comes-and-goes", Key="o")
    assert refused(s3.delete_bucket, Bucket="comes-and-goes")[:2] == ("BucketNotEmpty", 409)
    marker = s3.list_object_versions(Bucket="comes-and-goes")["DeleteMarkers"][0]["VersionId"]
    for each in (version, marker):
        s3.delete_object(Bucket="comes-and-goes", Key="o", VersionId=each)
    s3.delete_bucket(Bucket="comes-and-goes")
    assert refused(s3.head_bucket, Bucket="comes-and-goes")[1] == 404


@pytest.mark.parametrize("name", ["mars\r\nx-evil: 1", "m\u4e00", "a b"])
def test_a_region_that_no_header_can_hold_makes_no_bucket(wire, name):
    body = f"<CreateBucketConfiguration><LocationConstraint>{name}</LocationConstraint></CreateBucketConfiguration>"
    answer = wire.ask("PUT", "/on-mars", body.encode())
    assert (answer.status, answer.code) == (400, "InvalidLocationConstraint")
    assert wire.ask("HEAD", "/on-mars").status == 404


def test_an_object_lock_that_nobody_would_keep_is_refused(s3, bucket):
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}
    assert refused(s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=wanted)[1] == 501


@pytest.mark.parametrize("kind", ["accelerate", "logging", "notification", "requestPayment", "object-lock"])
def test_what_s3_cannot_unset_is_not_deleted_nor_the_bucket(wire, bucket, kind):
    assert wire.ask("DELETE", f"/{bucket}?{kind}").status == 405
    assert wire.ask("HEAD", f"/{bucket}").status == 200


def test_a_bucket_in_the_first_region_has_no_location(s3, bucket):
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None


def test_what_is_missing_is_told_by_the_words_that_scripts_look_for(s3):
    assert refused(s3.list_objects_v2, Bucket="never-made-bucket")[:2] == ("NoSuchBucket", 404)
    assert refused(s3.list_objects, Bucket="never-made-bucket")[:2] == ("NoSuchBucket", 404)
    assert refused(s3.put_object, Bucket="never-made-bucket", Key="k", Body=b"")[:2] == ("NoSuchBucket", 404)


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("get_bucket_tagging", "NoSuchTagSet"),
        ("get_bucket_cors", "NoSuchCORSConfiguration"),
        ("get_bucket_website", "NoSuchWebsiteConfiguration"),
        ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
        ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
        ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
        ("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
        ("get_bucket_policy", "NoSuchBucketPolicy"),
        ("get_bucket_policy_status", "NoSuchBucketPolicy"),
        ("get_bucket_ownership_controls", "OwnershipControlsNotFoundError"),
    ],
)
def test_what_is_not_set_has_its_own_code(s3, bucket, operation, code):
    assert refused(getattr(s3, operation), Bucket=bucket)[:2] == (code, 404)


@pytest.mark.parametrize(
    ("name", "argument", "value", "get", "delete"),
    [
        (
            "bucket_encryption",
            "ServerSideEncryptionConfiguration",
            {
                "Rules": [
                    {
                        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"},
                        "BucketKeyEnabled": True,
                    }
                ]
            },
            "get_bucket_encryption",
            "delete_bucket_encryption",
        ),
        (
            "public_access_block",
            "PublicAccessBlockConfiguration",
            {
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
            "get_public_access_block",
            "delete_public_access_block",
        ),
        (
            "bucket_tagging",
            "Tagging",
            {"TagSet": [{"Key": "a", "Value": "<&>"}]},
            "get_bucket_tagging",
            "delete_bucket_tagging",
        ),
        (
            "bucket_ownership_controls",
            "OwnershipControls",
            {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "get_bucket_ownership_controls",
            "delete_bucket_ownership_controls",
        ),
        (
            "bucket_policy",
            "Policy",
            '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}]}',
            "get_bucket_policy",
            "delete_bucket_policy",
        ),
        (
            "bucket_cors",
            "CORSConfiguration",
            {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]},
            "get_bucket_cors",
            "delete_bucket_cors",
        ),
        (
            "bucket_website",
            "WebsiteConfiguration",
            {"IndexDocument": {"Suffix": "index.html"}},
            "get_bucket_website",
            "delete_bucket_website",
        ),
    ],
)
def test_documents_are_kept_given_back_and_removed(s3, bucket, name, argument, value, get, delete):
    getattr(s3, f"put_{name}")(Bucket=bucket, **{argument: value})
    found = getattr(s3, get)(Bucket=bucket)
    found.pop("ResponseMetadata")
    assert value in (found, *found.values()) or found.items() >= value.items()
    getattr(s3, delete)(Bucket=bucket)
    with pytest.raises(ClientError):
        getattr(s3, get)(Bucket=bucket)


def test_a_lifecycle_is_kept(s3, bucket):
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [RULE]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [RULE]
    s3.delete_bucket_lifecycle(Bucket=bucket)


def test_versions_are_always_kept(s3, bucket):
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    code, status, message = refused(
        s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
    )
    assert (code, status) == ("NotImplemented", 501)
    assert "every version" in message


def test_what_would_open_a_bucket_is_refused_and_what_keeps_it_private_is_taken(s3, bucket):
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    s3.put_bucket_acl(Bucket=bucket, ACL="bucket-owner-full-control")
    policy = {name: s3.get_bucket_acl(Bucket=bucket)[name] for name in ("Owner", "Grants")}
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=policy)
    everybody = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}
    logs = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}
    for given in (
        *[{"ACL": name} for name in ("public-read", "public-read-write", "authenticated-read", "log-delivery-write")],
        *[{f"Grant{name}": 'id="somebody"'} for name in ("FullControl", "Read", "ReadACP", "Write", "WriteACP")],
        *[
            {"AccessControlPolicy": {**policy, "Grants": [*policy["Grants"], {"Grantee": each, "Permission": "READ"}]}}
            for each in (everybody, logs, {"Type": "CanonicalUser", "ID": "somebody"})
        ],
    ):
        code, status, said = refused(s3.put_bucket_acl, Bucket=bucket, **given)
        assert (code, status) == ("AccessControlListNotSupported", 400)
        assert said.startswith("The bucket does not allow ACLs: ")
    created = refused(s3.create_bucket, Bucket="open-bucket", ACL="public-read")
    assert created[:2] == ("InvalidBucketAclWithObjectOwnership", 400)
    assert "open-bucket" not in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    assert policy == {name: s3.get_bucket_acl(Bucket=bucket)[name] for name in ("Owner", "Grants")}
    assert s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled") is None
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    s3.get_bucket_notification_configuration(Bucket=bucket)


@pytest.mark.parametrize("name", ["UPPER_ok", "with.dots.ok", "abc"])
def test_names_of_other_protocols_are_taken_too(wire, name):
    assert wire.ask("PUT", f"/{name}").status == 200
    assert wire.ask("PUT", f"/{name}").code == "BucketAlreadyOwnedByYou"


@pytest.mark.parametrize("name", ["ab", "-abc", "abc-", "a..b", "a" * 64, "10.0.0.1", "a%20b"])
def test_names_that_are_none_are_refused(wire, name):
    answer = wire.ask("PUT", f"/{name}")
    assert (answer.status, answer.code) == (400, "InvalidBucketName")


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ("versioning", b"<VersioningConfiguration><Status>Perhaps</Status></VersioningConfiguration>", "MalformedXML"),
        ("versioning", b"", "MalformedXML"),
        ("encryption", b"<ServerSideEncryptionConfiguration/>", "MalformedXML"),
        ("encryption", b"<Other/>", "MalformedXML"),
        (
            "publicAccessBlock",
            b"<PublicAccessBlockConfiguration><BlockPublicAcls>maybe</BlockPublicAcls></PublicAccessBlockConfiguration>",
            "MalformedXML",
        ),
        ("versioning", b"<VersioningConfiguration/>", "IllegalVersioningConfigurationException"),
        ("publicAccessBlock", b"<PublicAccessBlockConfiguration/>", "InvalidRequest"),
        ("lifecycle", b"<LifecycleConfiguration/>", "MalformedXML"),
        ("lifecycle", lifecycle(b"<Expiration><Days>1</Days></Expiration>"), "MalformedXML"),
        ("lifecycle", lifecycle(b"<Filter/>"), "InvalidRequest"),
        ("lifecycle", lifecycle(b"<Filter/><Expiration><Days>0</Days></Expiration>"), "InvalidArgument"),
        ("policy", b"{}", "MalformedPolicy"),
        ("policy", b'{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*"}}', "MalformedPolicy"),
        ("cors", b"<CORSConfiguration/>", "MalformedXML"),
        (
            "cors",
            b"<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>X</AllowedMethod>%s"
            % b"</CORSRule></CORSConfiguration>",
            "InvalidRequest",
        ),
        ("replication", b"<ReplicationConfiguration/>", "MalformedXML"),
        ("website", b"<WebsiteConfiguration/>", "InvalidArgument"),
        ("policy", b"[" * 100_000, "MalformedPolicy"),
        ("acl", b"", "MissingSecurityHeader"),
        ("acl", b"<Other/>", "MalformedXML"),
        ("tagging", b"<Tagging/>", "MalformedXML"),
        ("tagging", b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", "MalformedXML"),
        (
            "tagging",
            b"<Tagging><TagSet><Tag><Key>a</Key><Value/></Tag><Tag><Key>a</Key><Value/></Tag></TagSet></Tagging>",
            "InvalidTag",
        ),
        ("tagging", b'<!DOCTYPE x [<!ENTITY a "b">]><Tagging><TagSet/></Tagging>', "MalformedXML"),
        ("tagging", b"<a>" * 50_000, "MalformedXML"),
        ("tagging", b"x" * 300_000, "EntityTooLarge"),
        ("delete", b"<Delete/>", "MalformedXML"),
    ],
)
def test_documents_that_are_none_are_refused_and_not_kept(wire, s3, bucket, query, body, code):
    headers = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    answer = wire.ask("POST" if query == "delete" else "PUT", f"/{bucket}?{query}", body, headers)
    assert answer.code == code
    assert answer.status in {400, 413}
    if query not in ("versioning", "delete", "acl"):
        assert wire.ask("GET", f"/{bucket}?{query}").status == 404


def test_buckets_with_a_prefix_come_once_whatever_the_page(s3):
    names = ["paged-a", "paged-b", "paged-c", "pagee", "page0"]
    for name in names:
        s3.create_bucket(Bucket=name)
    for size in (1, 2, 100):
        pages = s3.get_paginator("list_buckets").paginate(Prefix="paged-", PaginationConfig={"PageSize": size})
        assert [each["Name"] for page in pages for each in page["Buckets"]] == ["paged-a", "paged-b", "paged-c"]
