"""What a module's source says: a folder here, a registry module whose services are known by name, or an unknown.

"Unknown" is an answer with a place, never a no. Source syntax: Terraform's and Terragrunt's module sources.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockhouse.review.catalogue import catalogue

# Registry modules whose name is not the name of their service.
_NAMED: dict[str, tuple[str, ...]] = {
    "vpc": ("aws/ec2",),
    "dynamic-subnets": ("aws/ec2",),
    "subnets": ("aws/ec2",),
    "security-group": ("aws/ec2",),
    "key-pair": ("aws/ec2",),
    "vpn-gateway": ("aws/ec2",),
    "transit-gateway": ("aws/ec2",),
    "ec2-instance": ("aws/ec2",),
    "ec2-bastion-server": ("aws/ec2",),
    "bastion": ("aws/ec2",),
    "alb": ("aws/elb",),
    "nlb": ("aws/elb",),
    "elb": ("aws/elb",),
    "msk-kafka-cluster": ("aws/kafka",),
    "msk-apache-kafka-cluster": ("aws/kafka",),
    "notify-slack": ("aws/lambda", "aws/sns"),
    "cloudwatch": ("aws/cloudwatch", "aws/logs"),
    "rds-cluster": ("aws/rds",),
    "rds-aurora": ("aws/rds",),
    "cloudfront-s3-cdn": ("aws/cloudfront", "aws/s3"),
    "elasticache-redis": ("aws/elasticache",),
    "memory-db": ("aws/memorydb",),
    "managed-service-prometheus": ("aws/amp",),
    "ssm-parameter-store": ("aws/ssm",),
    "secrets-manager": ("aws/secretsmanager",),
}
_STATE = re.compile(r"tfstate|remote-state|state-backend|terraform-state|(^|-)bootstrap$|state-bucket")
_REGISTRY = re.compile(
    r"^(?:tfr:///?|(?:registry\.(?:terraform\.io|opentofu\.org)|app\.terraform\.io)/)?([\w-]+)/([\w-]+)/([\w-]+)(?://(\S+?))?(?:\?.*)?$"
)
_OTHERS = {"google": "gcp", "gcp": "gcp", "azurerm": "azure", "azure": "azure", "google-beta": "gcp"}


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """`local` is a relative folder; `services` are certain by name; `scope` is the family an unknown could hide;
    `hints` are services that the unknown's name suggests.
    """

    text: str
    local: str = ""
    services: tuple[str, ...] = ()
    tooling: bool = False
    scope: str = ""
    hints: tuple[str, ...] = ()


def read_source(text: str) -> ModuleSource:
    if text.startswith(("./", "../", "/")) or text in {".", ".."}:
        return ModuleSource(text, local=text, scope="aws")
    bare = text.removeprefix("git::")
    match = _REGISTRY.match(text)
    if match and not text.startswith(("github.com/", "bitbucket.org/", "gitlab.com/", "git@")):
        return _registry(text, match[2], match[3], match[4] or "")
    scope = next((s for word, s in _OTHERS.items() if re.search(rf"[/_-]{word}[/_.-]", bare)), "aws")
    path = re.sub(r"\?.*$", "", bare)
    inner = path.rpartition("//")[2] if path.count("//") > 1 or ("//" in path and "://" not in path) else ""
    last = (inner or path).rstrip("/").rpartition("/")[2].removesuffix(".git")
    if re.search(r"^x+$|^$", text):
        return ModuleSource("", scope="aws")
    known = re.search(r"terraform-aws-modules/terraform-aws-([\w-]+)|cloudposse/terraform-aws-([\w-]+)", bare)
    if known:
        return _registry(text, known[1] or known[2], "aws", inner)
    name = re.sub(r"^(terraform-)?(aws-|module-)*", "", last)
    return ModuleSource(text, scope=scope, hints=_guess(name), tooling=bool(_STATE.search(last)))


def _guess(name: str) -> tuple[str, ...]:
    service = catalogue().boto_like(name) or catalogue().terraform("aws_" + name.replace("-", "_"))
    return (service,) if service else ()


def _registry(text: str, name: str, provider: str, inner: str) -> ModuleSource:
    if _STATE.search(name) and provider == "aws":
        return ModuleSource(text, services=("aws/dynamodb", "aws/s3"), tooling=True)
    if provider == "aws":
        services = _NAMED.get(name) or _guess(name)
        if not services and inner:
            services = _guess(inner.rpartition("/")[2])
        return ModuleSource(text, services=services, scope="" if services else "aws")
    if provider in _OTHERS:
        prefix = {"gcp": "google", "azure": "azurerm"}[_OTHERS[provider]]
        service = catalogue().terraform(f"{prefix}_{name.replace('-', '_')}_x")
        return ModuleSource(text, services=(service,) if service else (), scope=_OTHERS[provider])
    service = catalogue().terraform(f"{provider}_x")
    return ModuleSource(text, services=(service,) if service else ())
