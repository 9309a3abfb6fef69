"""The catalogue: which name, in which ecosystem, means which cloud service.

Data only: aws.json is generated (scripts/generate_catalogue.py), third_parties.toml is the one file to extend for
another third party, wrappers.toml names packages that talk to a cloud for you. This module knows no file of a
reviewed repository; it answers "which service is NAME in ecosystem X" and lists the words a search starts from.
"""

from __future__ import annotations

import functools
import json
import re
import tomllib
from dataclasses import dataclass, field
from importlib import resources


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _prefixes(parts: list[str], separator: str) -> list[str]:
    return [separator.join(parts[:n]) for n in range(len(parts), 0, -1)]


@dataclass(slots=True)
class Catalogue:
    """Lookup tables by ecosystem. Every answer is a service id ("aws/dynamodb", "redis") or None."""

    names: dict[str, str] = field(default_factory=dict)
    alias: dict[str, str] = field(default_factory=dict)
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    boto: dict[str, str] = field(default_factory=dict)
    aws_npm: dict[str, str] = field(default_factory=dict)
    aws_flat: dict[str, str] = field(default_factory=dict)
    aws_class: dict[str, str] = field(default_factory=dict)
    aws_iam: dict[str, str] = field(default_factory=dict)
    aws_tf: dict[str, str] = field(default_factory=dict)
    aws_cfn: dict[str, str] = field(default_factory=dict)
    aws_java1: dict[str, str] = field(default_factory=dict)
    aws_endpoint: dict[str, str] = field(default_factory=dict)
    actions: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    def table(self, column: str) -> dict[str, str]:
        return self.tables.setdefault(column, {})

    def name(self, service: str) -> str:
        return self.names.get(service, service.rpartition("/")[2])

    def find(self, asked: str) -> str | None:
        """The service that a person means by `asked` ("DynamoDB", "aws/dynamodb", "cognito-idp"), or None."""
        low = asked.strip().lower()
        for candidate in (low, f"aws/{low}"):
            if candidate in self.names:
                return candidate
        low = low.removeprefix("aws/")
        return self.alias.get(low) or self.alias.get(re.sub(r"[^a-z0-9]", "", low))

    def npm(self, module: str) -> str | None:
        """The service behind an npm package or import specifier; AWS infrastructure libraries are not answered here."""
        if module.startswith("@aws-sdk/client-"):
            return self.aws_npm.get(module[16:].split("/", maxsplit=1)[0])
        if module.startswith("aws-sdk/clients/"):
            return self.aws_flat.get(module[16:].removesuffix(".js").lower()) or self.boto_like(module[16:])
        table = self.table("npm")
        for prefix in _prefixes(module.split("/"), "/"):
            if prefix in table:
                return table[prefix]
        scope = module.split("/", maxsplit=1)[0]
        return table.get(f"{scope}/*") if scope.startswith("@") else None

    def boto_like(self, name: str) -> str | None:
        flat = re.sub(r"[^a-z0-9]", "", name.lower())
        return (
            self.boto.get(name.lower())
            or self.aws_flat.get(flat)
            or self.alias.get(flat)
            or self.alias.get(name.lower())
        )

    def python(self, module: str) -> str | None:
        table = self.table("python")
        for prefix in _prefixes(module.split("."), "."):
            if prefix in table:
                return table[prefix]
        return None

    def pypi(self, distribution: str) -> str | None:
        low = re.sub(r"[-_.]+", "-", distribution.strip().lower())
        table = self.table("pypi")
        if low in table:
            return table[low]
        bare, _, extra = low.partition("[")
        extra = extra.rstrip("]")
        if bare == "django-storages":
            return {"s3": "aws/s3", "boto3": "aws/s3", "google": "gcp/storage", "azure": "azure/storage"}.get(extra)
        if bare in {"mypy-boto3", "types-aiobotocore", "boto3-stubs"} or bare.startswith(
            ("mypy-boto3-", "types-boto3-")
        ):
            return self.boto.get(bare.removeprefix("mypy-boto3-").removeprefix("types-boto3-"))
        return table.get(bare)

    def go(self, path: str) -> str | None:
        for start in ("github.com/aws/aws-sdk-go-v2/service/", "github.com/aws/aws-sdk-go/service/"):
            if path.startswith(start):
                part = path[len(start) :].split("/", maxsplit=1)[0]
                return self.aws_flat.get(part) or self.boto_like(part)
        table = self.table("go")
        for prefix in _prefixes(re.sub(r"/v\d+(?=/|$)", "", path).split("/"), "/"):
            if prefix in table:
                return table[prefix]
        return table.get(path)

    def java(self, name: str) -> str | None:
        for start in ("software.amazon.awssdk.services.", "aws.sdk.kotlin.services."):
            if name.startswith(start):
                return self.aws_flat.get(name[len(start) :].split(".", maxsplit=1)[0])
        table = self.table("java")
        for prefix in _prefixes(name.split("."), "."):
            if prefix in table:
                return table[prefix]
        if name.startswith("com.amazonaws.services."):
            part = name[23:].split(".", maxsplit=1)[0]
            return self.aws_java1.get(part) or self.aws_flat.get(part) or self.boto_like(part)
        return None

    def maven(self, group: str, artifact: str) -> str | None:
        if group in {"software.amazon.awssdk", "aws.sdk.kotlin"}:
            found = self.aws_flat.get(artifact)
            if found:
                return found
        if artifact.startswith("aws-java-sdk-"):
            part = artifact[13:]
            return self.aws_java1.get(part) or self.aws_flat.get(part) or self.boto_like(part)
        table = self.table("maven")
        return table.get(f"{group}:{artifact}") or table.get(f"{group}:*") or table.get(artifact)

    def gem(self, name: str) -> str | None:
        if name.startswith("aws-sdk-"):
            return self.aws_flat.get(re.sub(r"[-_]", "", name[8:])) or self.boto_like(name[8:])
        return self.table("gems").get(name)

    def ruby(self, constant: str) -> str | None:
        table = self.table("ruby")
        for prefix in _prefixes(constant.split("::"), "::"):
            if prefix in table:
                return table[prefix]
        parts = constant.split("::")
        if parts[0] == "Aws" and len(parts) > 1:
            return self.aws_class_named(parts[1])
        return None

    def aws_class_named(self, name: str) -> str | None:
        return self.aws_class.get(name.lower())

    def crate(self, name: str) -> str | None:
        if name.startswith(("aws-sdk-", "aws_sdk_")):
            return self.aws_flat.get(re.sub(r"[-_]", "", name[8:])) or self.boto_like(name[8:])
        return self.table("crates").get(name)

    def terraform(self, kind: str) -> str | None:
        """The service of a resource or data source type such as `aws_lb_listener`; None for accounts and regions."""
        if not kind.startswith("aws_"):
            parts = kind.split("_")
            table = self.table("terraform")
            for n in range(len(parts), 0, -1):
                found = table.get("_".join(parts[:n]) + "_") or table.get("_".join(parts[:n]))
                if found:
                    return found
            return None
        parts = kind[4:].split("_")
        for n in range(len(parts), 0, -1):
            joined = "_".join(parts[:n])
            if joined in self.aws_tf:
                return (self.aws_tf[joined] and f"aws/{self.aws_tf[joined]}") or None
            found = self.boto_like("".join(parts[:n])) or self.boto_like("-".join(parts[:n]))
            if found:
                return found
        return None

    def cloudformation(self, kind: str) -> str | None:
        """The service of a type such as `AWS::DynamoDB::Table`."""
        parts = kind.split("::")
        if len(parts) < 3 or parts[0] not in {"AWS", "Alexa"}:
            return None
        if parts[1] == "Serverless":
            return {
                "SimpleTable": "aws/dynamodb",
                "Api": "aws/apigateway",
                "HttpApi": "aws/apigateway",
                "StateMachine": "aws/stepfunctions",
                "GraphQLApi": "aws/appsync",
            }.get(parts[2], "aws/lambda")
        return self.cdk(parts[1])

    def cdk(self, module: str) -> str | None:
        """The service of a CDK module (`dynamodb`, `lambda-nodejs`) or CloudFormation namespace, any case."""
        low = module.lower().replace("_", "-")
        parts = low.split("-")
        for n in range(len(parts), 0, -1):
            joined = "-".join(parts[:n])
            if joined in self.aws_cfn:
                return (self.aws_cfn[joined] and f"aws/{self.aws_cfn[joined]}") or None
            found = self.boto_like(joined)
            if found:
                return found
        return None

    def iam(self, prefix: str) -> str | None:
        return self.aws_iam.get(prefix.lower())

    def host(self, host: str) -> str | None:
        """The service that answers at a host name, by the longest matching domain; AWS endpoints by their label."""
        low = host.lower().rstrip(".")
        table = self.table("hosts")
        parts = low.split(".")
        for n in range(len(parts)):
            found = table.get(".".join(parts[n:]))
            if found:
                return found
        if low.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws")):
            return self._aws_host(parts[: parts.index("amazonaws")] if "amazonaws" in parts else parts[:-2])
        return None

    def _aws_host(self, labels: list[str]) -> str | None:
        """Labels before amazonaws.com: `dynamodb.us-east-1`, `bucket.s3.eu-west-1`, `x.execute-api.us-east-1`."""
        for label in reversed(labels):
            if label in {"s3", "s3-website", "s3-accelerate"} or label.startswith(("s3-", "s3.")):
                return "aws/s3"
            if label in {"ecr", "execute-api"}:
                return "aws/ecr" if label == "ecr" else "aws/apigateway"
            if label == "cache":
                return "aws/elasticache"
            found = self.aws_endpoint.get(label)
            if found:
                return found
        return None

    def scheme(self, scheme: str) -> str | None:
        return self.table("schemes").get(scheme.lower())

    def image(self, image: str) -> tuple[str, bool] | None:
        """The service that a container image is or plays, and whether it only pretends to be it (an emulator)."""
        bare = re.sub(r"[@].*$", "", image.strip().strip("\"'"))
        bare = re.sub(r":[^:/]*$", "", bare)
        bare = re.sub(
            r"^(docker\.io|registry\.hub\.docker\.com|index\.docker\.io|mirror\.gcr\.io|public\.ecr\.aws/docker)/",
            "",
            bare,
        )
        bare = re.sub(r"^library/", "", bare)
        for table, pretends in (("emulators", True), ("images", False)):
            found = self.table(table).get(bare)
            if found:
                return found, pretends
        return None

    def emulator(self, package: str) -> str | None:
        return self.table("emulators").get(package)

    def environment(self, variable: str) -> str | None:
        table = self.table("env")
        if variable in table:
            return table[variable]
        best = max((p for p in table if p.endswith("_") and variable.startswith(p)), key=len, default="")
        return table.get(best)

    def cli(self, program: str) -> str | None:
        return self.table("clis").get(program)

    def github(self, uses: str) -> str | None:
        bare = uses.partition("@")[0]
        table = self.table("github")
        return table.get(bare) or next((s for p, s in table.items() if bare.startswith(p.rstrip("/") + "/")), None)

    def managed_policy(self, name: str) -> str | None:
        """The service of an AWS managed policy such as `AmazonDynamoDBFullAccess`, when its name says one."""
        bare = re.sub(r"^(Amazon|AWS)", "", name)
        bare = re.sub(r"(FullAccess|ReadOnlyAccess|ReadOnly|PowerUser|Access|V\d+|_v\d+)+$", "", bare)
        return self.aws_class_named(bare) or self.boto_like(bare)

    def service_actions(self, service: str) -> dict[str, str]:
        """IAM actions of an AWS service: action name → full `prefix:Action`."""
        out: dict[str, str] = {}
        for prefix, owner in self.aws_iam.items():
            if owner == service:
                for action in iam_actions().get(prefix, ()):
                    out.setdefault(action, f"{prefix}:{action}")
        return out


@functools.cache
def iam_actions() -> dict[str, frozenset[str]]:
    """Every IAM prefix with its actions, as of the catalogue's making."""
    out = {}
    for line in _text("iam_actions.txt").splitlines():
        prefix, *actions = line.split(" ")
        out[prefix] = frozenset(actions)
    return out


COLUMNS = (
    "npm",
    "pypi",
    "python",
    "go",
    "java",
    "maven",
    "gems",
    "ruby",
    "crates",
    "hosts",
    "schemes",
    "images",
    "emulators",
    "env",
    "terraform",
    "clis",
    "github",
    "strings",
    "string_prefixes",
    "symbols",
)


def _prefer(table: dict[str, str], label: str, key: str, own: list[str]) -> None:
    """Two services may share an endpoint; the one of that name has it."""
    if label == key or label not in table or (label in own and table[label] != f"aws/{label}"):
        table[label] = f"aws/{key}"


# Services whose name after "AWS" or "Amazon" is everyday language.
_NO_WORDS = frozenset({"Account", "Support", "Health", "Resource Groups", "Marketplace Catalog"})


@functools.cache
def catalogue() -> Catalogue:  # noqa: C901, PLR0912 - one column after the other
    """The one catalogue of this process, read from the package's data files."""
    out = Catalogue()
    aws = json.loads(_text("aws.json"))
    ignored = set(aws["endpoints_ignored"])
    for key, row in aws["services"].items():
        service = f"aws/{key}"
        out.names[service] = row["name"]
        for name in row["boto"]:
            out.boto[name] = service
            out.alias[name] = service
        for name in row["npm"]:
            out.aws_npm[name] = service
        for name in row["flat"]:
            out.aws_flat[name] = service
        for name in row["classes"]:
            out.aws_class[name.lower()] = service
            out.alias.setdefault(name.lower(), service)
        for name in row["iam"]:
            if name == key or name not in out.aws_iam:
                out.aws_iam[name] = service
        for name in row["aliases"]:
            out.alias[name] = service
        for name in row["endpoints"]:
            for label in (name, name.rpartition(".")[2]):
                if label not in ignored and "." not in label:
                    _prefer(out.aws_endpoint, label, key, row["boto"])
        out.alias.setdefault(re.sub(r"[^a-z0-9]", "", row["name"].lower()), service)
        for phrase in (f"AWS {row['name']}", f"Amazon {row['name']}"):
            if row["name"] not in _NO_WORDS:
                out.words[phrase] = service
    out.aws_tf = aws["terraform"]
    out.aws_cfn = {k.lower(): v for k, v in aws["cloudformation"].items()}
    out.aws_java1 = {k: f"aws/{v}" for k, v in aws["java1"].items()}
    out.actions = {f"aws/{k}": v for k, v in aws["actions"].items()}
    for key, words in aws["words"].items():
        for word in words:
            out.words[word] = f"aws/{key}"
    for name in ("wrappers.toml", "third_parties.toml"):
        for service, row in tomllib.loads(_text(name)).items():
            out.names.setdefault(service, str(row.get("name", service)))
            for column in COLUMNS:
                for item in row.get(column, ()):
                    text = item.lower() if column == "pypi" else item
                    out.table(column).setdefault(re.sub(r"[-_.]+", "-", text) if column == "pypi" else text, service)
            for word in row.get("words", ()):
                out.words[word] = service
            for other in row.get("aliases", ()):
                out.alias[other.lower()] = service
            out.alias.setdefault(re.sub(r"[^a-z0-9]", "", str(row.get("name", "")).lower()) or service, service)
    return out
