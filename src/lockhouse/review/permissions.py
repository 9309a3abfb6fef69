"""The IAM gap: what the code's calls need, what the policies grant, and the difference both ways.

An operation is not an action: ListObjectsV2 needs s3:ListBucket. Where a policy cannot be read (a module from
elsewhere, grants made by constructs) the comparison says so and claims no gap.
"""

from __future__ import annotations

import fnmatch

from lockhouse.review.catalogue import catalogue
from lockhouse.review.joining import Joined
from lockhouse.review.model import Grant, Permissions, Role, ServiceReview, User
from lockhouse.review.operations import pascal

# What Terraform's own S3 backend needs, by what it keeps there (its documentation, "S3 Bucket Permissions").
STATE_NEEDS = {
    "aws/dynamodb": ("dynamodb:DeleteItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem"),
    "aws/s3": ("s3:GetObject", "s3:ListBucket", "s3:PutObject"),
    "aws/kms": ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"),
}


def needed(service: ServiceReview, user: User | None = None) -> set[str]:
    """IAM actions that the evidence of use needs; with `user`, of that user's use."""
    known = catalogue()
    actions = known.service_actions(service.service)
    special = known.actions.get(service.service, {})
    prefix = next((p for p, s in known.aws_iam.items() if s == service.service), "")
    out: set[str] = set()
    for item in service.evidence:
        if not item.live or (user is not None and item.user is not user):
            continue
        for operation in item.operations:
            name = pascal(operation.replace("-", "_")) if "-" in operation or operation.islower() else operation
            if name in special:
                out |= {f"{prefix}:{a}" for a in special[name]}
            elif name in actions:
                out.add(actions[name])
        if (
            item.user is User.TOOLING
            and item.role in {Role.BACKEND, Role.LOCK}
            and item.rule.startswith("terraform.backend")
        ):
            out |= set(STATE_NEEDS.get(service.service, ()))
    return out


def grants_of(service: str, joined: Joined) -> list[Grant]:
    known = catalogue()
    out = []
    for file in joined.live():
        for grant in file.grants:
            prefix = grant.action.partition(":")[0]
            if grant.action in {"*", "*:*"} or known.iam(prefix) == service:
                out.append(grant)
    return out


def covers(granted: str, action: str) -> bool:
    return granted == "*" or fnmatch.fnmatchcase(action.lower(), granted.lower())


def compare(service: ServiceReview, joined: Joined) -> Permissions:
    if not service.service.startswith("aws/"):
        return Permissions()
    wants = needed(service)
    granted = sorted({g.action for g in grants_of(service.service, joined)})
    if not granted:
        note = "no policy in the repository names this service" if wants else ""
        return Permissions(tuple(sorted(wants)), (), (), (), note)
    missing = sorted(a for a in wants if not any(covers(g, a) for g in granted))
    excessive = sorted(g for g in granted if g != "*" and not any(covers(g, a) for a in wants))
    excessive += [g for g in granted if "*" in g and g not in excessive and g != "*"]
    note = ""
    if any(p.rule == "module.remote" for p in joined.places):
        note = "a module from elsewhere may grant more"
    return Permissions(tuple(sorted(wants)), tuple(granted), tuple(missing), tuple(sorted(set(excessive))), note)
