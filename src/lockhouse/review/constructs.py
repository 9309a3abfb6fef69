"""Infrastructure written as a program: CDK, CDK for Terraform, and Pulumi.

Their imports look like SDKs, but what they make is the platform: the syntax decides, not the folder. A table keyed by
`LockID` is a lock table here as in HCL.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tree_sitter import Node

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import PURPOSE_LOCK, PURPOSE_STATE, Role, User
from lockhouse.review.tree import Import, SourceTree

Emit = Callable[..., None]

# Names that a CDK module exports beside constructs; a reference to them alone makes nothing.
_LOCK_KEY = re.compile(r"[\"'`]LockID[\"'`]")


def target(family: str, module: str, imported: str) -> tuple[str, str] | None:
    """(service, kind) of an import of an infrastructure library; kind `namespace` when its members decide; None when
    the module is no such library.
    """
    if family == "javascript":
        return _javascript(module, imported)
    if family == "python":
        return _python(module, imported)
    if family == "go":
        return _go(module)
    if family == "java":
        return _java(module)
    return None


def _cdk(name: str) -> tuple[str, str] | None:
    service = catalogue().cdk(name)
    return (service, "cdk") if service else None


def _javascript(module: str, imported: str) -> tuple[str, str] | None:
    parts = module.split("/")
    if module == "aws-cdk-lib" or module.startswith(("aws-cdk-lib/", "@aws-cdk/")):
        part = parts[1] if len(parts) > 1 else imported.replace("_", "-")
        if part.startswith("aws-"):
            return _cdk(part[4:].removesuffix("-alpha"))
        return ("aws", "namespace") if module == "aws-cdk-lib" and not imported else None
    if parts[0] == "@pulumi" and len(parts) > 1:
        provider = parts[1].removesuffix("-native").removesuffix("x")
        part = parts[2] if len(parts) > 2 else imported
        if not part:
            return provider, "namespace"
        service = pulumi_service(provider, part)
        return (service, "pulumi") if service else None
    if parts[0] == "@cdktf" and len(parts) > 1 and parts[1].startswith("provider-"):
        provider = parts[1][9:]
        part = parts[3] if len(parts) > 3 else parts[-1]
        if part in {"lib", "provider"} or part == parts[1]:
            return None
        service = catalogue().terraform(f"{provider}_{part.replace('-', '_')}")
        return (service, "cdktf") if service else None
    return None


def _python(module: str, imported: str) -> tuple[str, str] | None:
    parts = module.split(".")
    if parts[0] == "aws_cdk":
        part = parts[1] if len(parts) > 1 else imported
        if part.startswith("aws_"):
            return _cdk(part[4:].removesuffix("_alpha"))
        return ("aws", "namespace") if not imported else None
    if parts[0].startswith("pulumi_") and parts[0] != "pulumi_policy":
        provider = parts[0][7:].removesuffix("_native").removesuffix("x")
        part = parts[1] if len(parts) > 1 else imported
        if not part:
            return provider, "namespace"
        service = pulumi_service(provider, part)
        return (service, "pulumi") if service else None
    if parts[0].startswith("cdktf_cdktf_provider_"):
        part = parts[1] if len(parts) > 1 else imported
        service = catalogue().terraform(f"{parts[0][21:]}_{part}")
        return (service, "cdktf") if service else None
    return None


def _go(module: str) -> tuple[str, str] | None:
    match = re.search(r"aws-cdk-go/awscdk(?:/v\d+)?/aws(\w+)", module)
    if match:
        return _cdk(match[1])
    match = re.search(r"pulumi-([a-z0-9-]+)/sdk(?:/v\d+)?/go/\w+/(\w+)", module)
    if match:
        service = pulumi_service(match[1].removesuffix("-native"), match[2])
        return (service, "pulumi") if service else None
    return None


def _java(module: str) -> tuple[str, str] | None:
    match = re.match(r"software\.amazon\.awscdk\.services\.(\w+)", module)
    if match:
        return _cdk(match[1])
    match = re.match(r"com\.pulumi\.(\w+)\.(\w+)", module)
    if match:
        service = pulumi_service(match[1], match[2])
        return (service, "pulumi") if service else None
    return None


def pulumi_service(provider: str, module: str) -> str | None:
    """The service of a Pulumi module such as `dynamodb` of `aws`, `pubsub` of `gcp`."""
    low = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", module).lower()
    if provider == "aws":
        return catalogue().terraform(f"aws_{low}") or catalogue().cdk(low)
    prefix = {"gcp": "google", "azure": "azurerm"}.get(provider, provider)
    return catalogue().terraform(f"{prefix}_{low}_x") or catalogue().terraform(f"{prefix}_{low}")


def namespace(tree: SourceTree, local: str, provider: str, emit: Emit) -> None:
    """Constructs reached through a provider's own name: `aws.dynamodb.Table`, `cdk.aws_s3.Bucket`."""
    found: dict[str, list[Node]] = {}
    for node in tree.occurrences(local):
        parts = tree.chain(node).split(".")
        if len(parts) < 3:
            continue
        part = parts[1]
        service = catalogue().cdk(part[4:]) if part.startswith("aws_") else pulumi_service(provider, part)
        if service:
            found.setdefault(service, []).append(node)
    for service, nodes in found.items():
        made(tree, service, nodes, "pulumi", emit)


def made(tree: SourceTree, service: str, nodes: list[Node], kind: str, emit: Emit) -> None:
    """Emits one fact for each construct made; a first reference when none is made by a visible call."""
    calls = 0
    for node in nodes:
        call = tree.call_around(node)
        if call is None:
            continue
        name = tree.chain(node).rpartition(".")[2]
        if not name[:1].isupper():
            continue
        text = tree.text(call)
        locks = service == "aws/dynamodb" and bool(_LOCK_KEY.search(text))
        if service == "aws/dynamodb" and name in {"Attribute", "AttributeArgs", "TableAttribute"}:
            continue
        calls += 1
        emit(
            service,
            Role.LOCK if locks else Role.RESOURCE,
            f"{kind}.construct",
            node.start_byte,
            user=User.TOOLING if locks else User.PLATFORM,
            purpose=PURPOSE_LOCK if locks else "",
            name=_first_string(tree, call),
        )
    if not calls:
        emit(service, Role.RESOURCE, f"{kind}.reference", nodes[0].start_byte, user=User.PLATFORM)


_SST = {
    "Dynamo": "aws/dynamodb",
    "Bucket": "aws/s3",
    "Queue": "aws/sqs",
    "SnsTopic": "aws/sns",
    "Function": "aws/lambda",
    "ApiGatewayV1": "aws/apigateway",
    "ApiGatewayV2": "aws/apigateway",
    "ApiGatewayWebSocket": "aws/apigateway",
    "Cron": "aws/events",
    "Bus": "aws/events",
    "CognitoUserPool": "aws/cognito",
    "CognitoIdentityPool": "aws/cognito",
    "Postgres": "aws/rds",
    "Aurora": "aws/rds",
    "Redis": "aws/elasticache",
    "Cluster": "aws/ecs",
    "Service": "aws/ecs",
    "Email": "aws/ses",
    "KinesisStream": "aws/kinesis",
    "Vpc": "aws/ec2",
    "OpenSearch": "aws/opensearch",
    "AppSync": "aws/appsync",
    "Efs": "aws/efs",
    "StepFunctions": "aws/stepfunctions",
    "Nextjs": "aws/cloudfront",
    "StaticSite": "aws/cloudfront",
    "Router": "aws/cloudfront",
}


def sst(tree: SourceTree, emit: Emit) -> None:
    """`new sst.aws.Dynamo("Table")`: SST's components are globals, so nothing is imported."""
    if b"sst.aws." not in tree.data:
        return
    for node in tree.occurrences("sst"):
        parts = tree.chain(node).split(".")
        service = _SST.get(parts[2]) if len(parts) > 2 and parts[1] == "aws" else None
        if service:
            emit(service, Role.RESOURCE, "sst.component", node.start_byte, user=User.PLATFORM)


def state_backends(tree: SourceTree, item: Import, emit: Emit) -> None:
    """`new S3Backend(stack, {bucket, dynamodbTable})` of CDK for Terraform."""
    kinds = {
        "S3Backend": "aws/s3",
        "GcsBackend": "gcp/storage",
        "AzurermBackend": "azure/storage",
        "CloudBackend": "hcp-terraform",
        "RemoteBackend": "hcp-terraform",
    }
    for imported, local in item.bindings:
        service = kinds.get(imported)
        for node in tree.occurrences(local) if service else ():
            call = tree.call_around(node)
            if call is None or service is None:
                continue
            emit(
                service,
                Role.BACKEND,
                "terraform.backend.code",
                node.start_byte,
                user=User.TOOLING,
                purpose=PURPOSE_STATE,
            )
            table = re.search(r"dynamodb_?[tT]able\s*[:=]\s*[\"'`]?([\w.-]*)", tree.text(call))
            if table and imported == "S3Backend":
                offset = call.start_byte + len(tree.text(call)[: table.start()].encode())
                emit(
                    "aws/dynamodb",
                    Role.LOCK,
                    "terraform.backend.code",
                    offset,
                    user=User.TOOLING,
                    purpose=PURPOSE_LOCK,
                    name=table[1],
                )


def _first_string(tree: SourceTree, call: Node) -> str:
    match = re.search(r"[\"'`]([A-Za-z0-9_.-]{1,100})[\"'`]", tree.text(call)[:400])
    return match[1] if match else ""
