"""The sub-resources of a bucket: which there are, what they must look like, and what is said when one is not set.

They are documents that are checked, stored and given back byte for byte: nothing here evaluates a policy or runs a
lifecycle. Where taking a document would be a lie (suspending versions, public access), it is refused with the reason.
Pure. Source: Amazon S3 API Reference, one page for each of them; PROTOCOLS 2.9 for the codes of unset ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

import msgspec

from lockhouse.errors import DocumentMalformed, OperationUnsupported, RequestInvalid
from lockhouse.protocols.aws import xml
from lockhouse.protocols.aws.xml import Node
from lockhouse.protocols.s3 import fields
from lockhouse.protocols.s3.listing import OWNER, OWNER_ID
from lockhouse.protocols.web import Headers

MAX_BYTES = 256 * 1024
_MAX_POLICY_BYTES = 20 * 1024
_MAX_TAGS = 50
_OWNERS_ACLS = frozenset({"private", "bucket-owner-read", "bucket-owner-full-control"})
"""Canned ACLs that give nothing to another than the owner. S3 takes the last one of them alone where a bucket's owner
owns everything; `private` says the same, and older providers and tools always send it."""
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_CORS_METHODS = frozenset({"GET", "PUT", "HEAD", "POST", "DELETE"})
_LIFECYCLE_DAYS = {
    "Expiration": "Days",
    "Transition": "Days",
    "NoncurrentVersionExpiration": "NoncurrentDays",
    "NoncurrentVersionTransition": "NoncurrentDays",
    "AbortIncompleteMultipartUpload": "DaysAfterInitiation",
}
"""What a rule of a lifecycle can do, and where it says after how many days."""


class Document(msgspec.Struct, frozen=True):
    """One sub-resource that is stored as it came."""

    kind: str
    """The query parameter that names it."""
    root: str
    """The name of its root element; empty for JSON."""
    check: Callable[[Node], None]
    put_status: int = 200
    can_be_unset: bool = True
    """Whether S3 has a DELETE for it."""
    unset: bytes = b""
    """What is answered when it is not set; empty: the code of `answers.UNSET`."""


def read_document(document: Document, raw: bytes) -> None:
    """Whether this may be stored. Errors: `request.document`, `request.invalid`, `request.unsupported`."""
    if not document.root:
        _check_policy(raw)
        return
    document.check(xml.read_document(raw, document.root))


def check_bucket_acl(headers: Headers, *, made: bool = False) -> None:
    """Canned ACLs that say "the owner alone" are taken and have no effect; every other would be a lie.

    `made`: of a bucket that is being made. Errors: `request.invalid`."""
    acl = headers.get("x-amz-acl")
    argument = "acl_of_new_bucket" if made else "acl"
    if acl is not None and acl not in _OWNERS_ACLS:
        raise _no_acls(f"cannot set the ACL {acl[:40]!r}", argument)
    if any(name.startswith(b"x-amz-grant-") for name in headers.first):
        raise _no_acls("cannot grant by x-amz-grant-…", argument)


def check_acl(headers: Headers, raw: bytes) -> None:
    """As `check_bucket_acl`, for an ACL in the headers or the body. Errors: `request.invalid`, `request.document`."""
    check_bucket_acl(headers)
    if raw:
        document = xml.read_document(raw, "AccessControlPolicy")
        grants = [grant for grants in document.all("AccessControlList") for grant in grants.all("Grant")]
        for grant in grants:
            grantee = grant.first("Grantee")
            if grantee is None or grantee.value("ID") != OWNER_ID:
                raise _no_acls("cannot grant to another than the owner", "acl")
    elif "x-amz-acl" not in headers:
        raise RequestInvalid(
            "cannot set an ACL that is neither in x-amz-acl nor in the body",
            hint="send x-amz-acl: private",
            argument="acl_missing",
        )


def _no_acls(what: str, argument: str) -> RequestInvalid:
    return RequestInvalid(
        f"{what}: access is a matter of grants here",
        hint="lockhouse access grant NAME --role reader --on NAMESPACE/PREFIX; or leave the ACL out",
        argument=argument,
    )


def private_acl() -> bytes:
    """The ACL of everything here: the owner has full control."""
    grantee = xml.element(
        "Grantee",
        xml.field("ID", OWNER_ID),
        xml.field("DisplayName", "lockhouse"),
        attributes=' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"',
    )
    grant = xml.element("Grant", grantee, xml.field("Permission", "FULL_CONTROL"))
    return xml.document("AccessControlPolicy", OWNER, xml.element("AccessControlList", grant))


def policy_status() -> bytes:
    return xml.document("PolicyStatus", xml.field("IsPublic", "FALSE"))


def read_versioning(raw: bytes) -> None:
    """Versions are always kept: enabling is a success, suspending is refused."""
    node = xml.read_document(raw, "VersioningConfiguration")
    status = node.value("Status")
    if node.value("MfaDelete", node.value("MFADelete")) == "Enabled":
        raise OperationUnsupported("cannot ask for a second factor at deletes", hint="leave MfaDelete out")
    if status == "Suspended":
        raise OperationUnsupported(
            "cannot suspend versioning: every version of a state is kept here",
            hint="aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled",
        )
    if not status:
        raise DocumentMalformed(
            "cannot read this versioning configuration: it has no Status",
            hint="aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled",
            kind="versioning",
        )
    if status != "Enabled":
        raise DocumentMalformed(
            f"cannot read this versioning configuration: Status is {status[:20]!r}, it must be Enabled",
            hint="aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled",
        )


def read_location(raw: bytes) -> str:
    """The region of a new bucket; any name is one, and it is given back in a header. Errors: `request.document`,
    `request.invalid`."""
    region = xml.read_document(raw, "CreateBucketConfiguration").value("LocationConstraint").strip()
    if region and not _REGION.fullmatch(region):
        raise RequestInvalid(
            f"cannot use the LocationConstraint {region[:40]!r}: letters, digits and '-'",
            hint="for example: --create-bucket-configuration LocationConstraint=eu-central-1",
            argument="location",
        )
    return region


def read_tag_set(raw: bytes, limit: int = _MAX_TAGS) -> dict[str, str]:
    """The tags of a Tagging document. Errors: `request.document`, `request.invalid`."""
    node = xml.read_document(raw, "Tagging")
    return _tags(node, limit)


def write_tag_set(tags: Mapping[str, str]) -> bytes:
    return xml.document(
        "Tagging",
        xml.element(
            "TagSet",
            *(xml.element("Tag", xml.field("Key", key), xml.field("Value", value)) for key, value in tags.items()),
        ),
    )


def _tags(node: Node, limit: int) -> dict[str, str]:
    tag_set = node.first("TagSet")
    if tag_set is None:
        raise DocumentMalformed(
            "cannot read these tags: a TagSet was expected", hint="aws s3api put-bucket-tagging help"
        )
    tags: dict[str, str] = {}
    for tag in tag_set.all("Tag"):
        if tag.first("Key") is None or tag.first("Value") is None:
            raise DocumentMalformed(
                "cannot read these tags: each Tag has a Key and a Value", hint="aws s3api put-bucket-tagging help"
            )
        fields.add_tag(tags, tag.value("Key"), tag.value("Value"), limit)
    return tags


def _check_tagging(node: Node) -> None:
    _tags(node, _MAX_TAGS)


def _check_encryption(node: Node) -> None:
    rules = node.all("Rule")
    if len(rules) != 1:
        raise DocumentMalformed(
            "cannot read this encryption configuration: one Rule was expected",
            hint="aws s3api put-bucket-encryption help",
        )
    default = rules[0].first("ApplyServerSideEncryptionByDefault")
    algorithm = default.value("SSEAlgorithm") if default is not None else "AES256"
    if algorithm not in ("AES256", "aws:kms", "aws:kms:dsse"):
        raise DocumentMalformed(
            "cannot read this encryption configuration: SSEAlgorithm is AES256 or aws:kms",
            hint="aws s3api put-bucket-encryption help",
        )
    if rules[0].value("BucketKeyEnabled", "false").strip().lower() not in ("true", "false"):
        raise DocumentMalformed(
            "cannot read this encryption configuration: BucketKeyEnabled is true or false",
            hint="aws s3api put-bucket-encryption help",
        )
    if default is not None and algorithm == "AES256" and default.value("KMSMasterKeyID"):
        raise RequestInvalid(
            "cannot use a KMS key with AES256",
            hint="leave KMSMasterKeyID out, or say aws:kms",
            argument="KMSMasterKeyID",
        )


def _check_public_access_block(node: Node) -> None:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    if all(node.first(name) is None for name in names):
        raise RequestInvalid(
            "cannot use this configuration: it says nothing",
            hint="set at least one of its fields",
            argument="configuration",
        )
    for name in names:
        if node.value(name, "false").strip().lower() not in ("true", "false"):
            raise DocumentMalformed(
                f"cannot read this configuration: {name} is true or false", hint=f"set {name} to true"
            )


def _check_lifecycle(node: Node) -> None:
    rules = node.all("Rule")
    if not 1 <= len(rules) <= 1000:
        raise DocumentMalformed(
            "cannot read this lifecycle configuration: it has 1 to 1000 rules",
            hint="aws s3api put-bucket-lifecycle-configuration help",
        )
    seen: set[str] = set()
    for rule in rules:
        if rule.value("Status") not in ("Enabled", "Disabled"):
            raise DocumentMalformed(
                "cannot read this lifecycle configuration: Status is Enabled or Disabled",
                hint="aws s3api put-bucket-lifecycle-configuration help",
            )
        name = rule.value("ID")
        if len(name) > 255 or (name and name in seen):
            raise RequestInvalid(
                "cannot take this lifecycle configuration: each ID is used once",
                hint="give each rule an ID of its own",
                argument="ID",
            )
        seen.add(name)
        _check_lifecycle_rule(rule)


def _check_lifecycle_rule(rule: Node) -> None:
    if (rule.first("Filter") is None) == (rule.first("Prefix") is None):
        raise DocumentMalformed(
            "cannot read this lifecycle configuration: a rule has a Filter or a Prefix",
            hint="aws s3api put-bucket-lifecycle-configuration help",
        )
    actions = [each for each in rule.children if each.name in _LIFECYCLE_DAYS]
    if not actions:
        raise RequestInvalid(
            "cannot use this lifecycle configuration: a rule does nothing",
            hint="give it an action, such as Expiration; aws s3api put-bucket-lifecycle-configuration help",
            argument="configuration",
        )
    for action in actions:
        days = action.first(_LIFECYCLE_DAYS[action.name])
        least = 0 if action.name.endswith("Transition") else 1
        if days is not None and not (days.text.isascii() and days.text.isdigit() and int(days.text[:9]) >= least):
            raise RequestInvalid(
                f"cannot use {action.name}: its days are a number from {least} on",
                hint=f"set it to {least}",
                argument=days.name,
            )


def _check_ownership(node: Node) -> None:
    rules = node.all("Rule")
    allowed = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
    if len(rules) != 1 or rules[0].value("ObjectOwnership") not in allowed:
        raise DocumentMalformed(
            "cannot read these ownership controls: one Rule with an ObjectOwnership",
            hint="aws s3api put-bucket-ownership-controls help",
        )


def _check_payer(node: Node) -> None:
    if node.value("Payer") not in ("BucketOwner", "Requester"):
        raise DocumentMalformed(
            "cannot read this configuration: Payer is BucketOwner", hint="aws s3api put-bucket-request-payment help"
        )
    if node.value("Payer") != "BucketOwner":
        raise OperationUnsupported("cannot let requesters pay: nobody pays here", hint="leave it at BucketOwner")


def _check_accelerate(node: Node) -> None:
    if node.value("Status") not in ("Enabled", "Suspended"):
        raise DocumentMalformed(
            "cannot read this configuration: Status is Enabled or Suspended",
            hint="aws s3api put-bucket-accelerate-configuration help",
        )


def _check_cors(node: Node) -> None:
    rules = node.all("CORSRule")
    if not 1 <= len(rules) <= 100 or not all(rule.all("AllowedMethod") and rule.all("AllowedOrigin") for rule in rules):
        raise DocumentMalformed(
            "cannot read these rules: 1 to 100, each with an AllowedMethod and an AllowedOrigin",
            hint="aws s3api put-bucket-cors help",
        )
    for method in (each.text for rule in rules for each in rule.all("AllowedMethod")):
        if method not in _CORS_METHODS:
            raise RequestInvalid(
                f"cannot allow the method {method[:20]!r}",
                hint="methods are GET, PUT, POST, DELETE and HEAD",
                argument="configuration",
            )


def _check_replication(node: Node) -> None:
    if not node.value("Role") or not node.all("Rule"):
        raise DocumentMalformed(
            "cannot read this replication configuration: it has a Role and a Rule",
            hint="aws s3api put-bucket-replication help",
        )


def _check_website(node: Node) -> None:
    if node.first("IndexDocument") is None and node.first("RedirectAllRequestsTo") is None:
        raise RequestInvalid(
            "cannot use this website: it has no IndexDocument",
            hint="aws s3api put-bucket-website help",
            argument="IndexDocument",
        )


def _refuse_object_lock(_: Node) -> None:
    raise OperationUnsupported(
        "cannot lock objects for a time: versions are kept by retention here",
        hint="lockhouse retention set NAMESPACE --keep-versions 50 --keep-days 90",
    )


def _anything(_: Node) -> None:
    """Stored and given back; S3's own checks would need services that are not here."""


def _check_policy(raw: bytes) -> None:
    try:
        policy = json.loads(raw) if len(raw) <= _MAX_POLICY_BYTES else None
    except (ValueError, RecursionError):
        policy = None
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise DocumentMalformed(
            "cannot read this policy: JSON with a Statement, up to 20 KB",
            hint="aws s3api put-bucket-policy help",
            kind="policy",
        )
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise DocumentMalformed(
                "cannot read this policy: each statement has an Effect",
                hint="aws s3api put-bucket-policy help",
                kind="policy",
            )
        for name in ("Principal", "Action", "Resource"):
            if name not in statement and f"Not{name}" not in statement:
                raise DocumentMalformed(
                    f"cannot read this policy: each statement has a {name}",
                    hint="aws s3api put-bucket-policy help",
                    kind="policy",
                )


DOCUMENTS: Mapping[str, Document] = {
    document.kind: document
    for document in (
        Document(
            "accelerate",
            "AccelerateConfiguration",
            _check_accelerate,
            can_be_unset=False,
            unset=xml.document("AccelerateConfiguration"),
        ),
        Document("cors", "CORSConfiguration", _check_cors),
        Document("encryption", "ServerSideEncryptionConfiguration", _check_encryption),
        Document("lifecycle", "LifecycleConfiguration", _check_lifecycle),
        Document(
            "logging",
            "BucketLoggingStatus",
            _anything,
            can_be_unset=False,
            unset=xml.document("BucketLoggingStatus"),
        ),
        Document(
            "notification",
            "NotificationConfiguration",
            _anything,
            can_be_unset=False,
            unset=xml.document("NotificationConfiguration"),
        ),
        Document("object-lock", "ObjectLockConfiguration", _refuse_object_lock, can_be_unset=False),
        Document("ownershipControls", "OwnershipControls", _check_ownership),
        Document("policy", "", _anything, put_status=204),
        Document("publicAccessBlock", "PublicAccessBlockConfiguration", _check_public_access_block),
        Document("replication", "ReplicationConfiguration", _check_replication),
        Document(
            "requestPayment",
            "RequestPaymentConfiguration",
            _check_payer,
            can_be_unset=False,
            unset=xml.document("RequestPaymentConfiguration", xml.field("Payer", "BucketOwner")),
        ),
        Document("tagging", "Tagging", _check_tagging, put_status=204),
        Document("website", "WebsiteConfiguration", _check_website),
    )
}
"""Every stored sub-resource by its query parameter."""
