"""CloudFormation, SAM and the Serverless Framework: what they create is the platform, what they allow is a permission.

Types decide (`AWS::DynamoDB::Table`); a table whose key is `LockID` locks Terraform states. References: CloudFormation
resource types, SAM policy templates, Serverless' AWS guide.
"""

from __future__ import annotations

import re

from lockhouse.review.catalogue import catalogue
from lockhouse.review.model import PURPOSE_LOCK, PURPOSE_STATE, EnvLink, FileFacts, Role, TableName, User
from lockhouse.review.policies import add_grant, add_managed, is_action
from lockhouse.review.yamltext import Node

_ENV_NAME = re.compile(r"^[A-Z][A-Z0-9_]{2,}$")
_SAM = re.compile(
    r"^(DynamoDB|SQS|SNS|S3|Lambda|KMS|SES|StepFunctions|Kinesis|Rekognition|Textract|Athena|EC2|ECS|SSM|Firehose|EventBridge|CloudWatch|"
    r"Comprehend|Polly|CodeCommit|CodePipeline|Cognito|AWSSecretsManager|Amazon\w+|Mobile\w+|Pinpoint\w+|Route53|SageMaker)\w*Policy$"
)
_EVENTS = {
    "httpApi": "aws/apigateway",
    "http": "aws/apigateway",
    "websocket": "aws/apigateway",
    "s3": "aws/s3",
    "sqs": "aws/sqs",
    "sns": "aws/sns",
    "stream": "",
    "schedule": "aws/events",
    "eventBridge": "aws/events",
    "cloudwatchEvent": "aws/events",
    "cognitoUserPool": "aws/cognito",
    "iot": "aws/iot",
    "alb": "aws/elb",
    "activemq": "aws/mq",
    "msk": "aws/kafka",
    "cloudFront": "aws/cloudfront",
    "cloudwatchLog": "aws/logs",
    "alexaSkill": "",
}


def is_template(document: Node) -> bool:
    resources = document.get("Resources")
    if resources is None:
        return False
    return any(v.at("Type").startswith(("AWS::", "Custom::", "Alexa::")) for _, v in resources.pairs)


def is_serverless(path: str, document: Node) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("serverless.") or (
        document.get("provider", "runtime") is not None and document.get("functions") is not None
    )


class _Reader:
    def __init__(self, facts: FileFacts, lines: list[str]) -> None:
        self.facts = facts
        self.lines = lines

    def line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def add(
        self, service: str, role: Role, rule: str, line: int, user: User | None, *, name: str = "", purpose: str = ""
    ) -> None:
        self.facts.add(service, role, rule, line, self.line(line), user, name=name, purpose=purpose)


def read_template(facts: FileFacts, document: Node, lines: list[str]) -> None:
    """Resources, policies, links and code folders of one CloudFormation or SAM document."""
    reader = _Reader(facts, lines)
    resources = document.get("Resources")
    services: dict[str, str] = {}
    for logical, node in resources.pairs if resources is not None else ():
        service = catalogue().cloudformation(node.at("Type"))
        if service:
            services[logical] = service
    locks = any(_locks(node) for _, node in (resources.pairs if resources is not None else ()))
    plain = {"aws/s3", "aws/dynamodb", "aws/kms", "aws/iam"}
    bootstrap = locks and set(services.values()) <= plain
    for logical, node in resources.pairs if resources is not None else ():
        service = services.get(logical)
        if not service:
            continue
        kind = node.get("Type")
        line = kind.line if kind is not None else node.line
        name = node.at("Properties", "TableName") or node.at("Properties", "BucketName")
        if _locks(node):
            reader.add(
                service, Role.LOCK, "cloudformation.resource", line, User.TOOLING, name=name, purpose=PURPOSE_LOCK
            )
            if name:
                facts.tables.append(TableName("table", name, "resource", facts.file, line))
        else:
            user = User.TOOLING if bootstrap else User.PLATFORM
            reader.add(
                service,
                Role.RESOURCE,
                "cloudformation.resource",
                line,
                user,
                name=name,
                purpose=PURPOSE_STATE if bootstrap and service == "aws/s3" else "",
            )
        inline = node.get("Properties", "Code", "ZipFile") or node.get("Properties", "InlineCode")
        if inline is not None and inline.text:
            language = (
                "python"
                if "python" in node.at("Properties", "Runtime") or "import boto3" in inline.text
                else "javascript"
            )
            facts.inline.append((language, inline.text, inline.line))
        code = node.get("Properties", "CodeUri") or node.get("Properties", "Code")
        if code is not None and code.text:
            facts.runs.append(("lambda", _beside(facts.file, code.text)))
    _common(reader, document, services)


def _beside(file: str, path: str) -> str:
    folder = file.rpartition("/")[0]
    return f"{folder}/{path}".lstrip("/") if folder else path


def _locks(node: Node) -> bool:
    if not node.at("Type").startswith(("AWS::DynamoDB", "AWS::Serverless::SimpleTable")):
        return False
    schema = node.get("Properties", "KeySchema")
    names = [i.at("AttributeName") for i in schema.items] if schema is not None else []
    return "LockID" in names or node.at("Properties", "PrimaryKey", "Name") == "LockID"


def _common(reader: _Reader, document: Node, services: dict[str, str]) -> None:  # noqa: C901, PLR0912 - a table in code, one row each
    for key, node in document.walk():
        if node.pairs:
            action = node.get("Action")
            if action is not None and node.at("Effect") != "Deny":
                resources = [n.text for _, n in (node.get("Resource") or Node(0)).walk() if n.text] or [""]
                for _, item in action.walk():
                    if item.text and is_action(item.text):
                        for resource in resources[:20]:
                            add_grant(reader.facts, item.text, resource, item.line, reader.line(item.line))
            for name, value in node.pairs:
                if _ENV_NAME.match(name):
                    _env(reader, name, value, services)
                if _SAM.match(name):
                    _sam(reader, name, value.key_line or value.line)
        elif node.text:
            if "states:::" in node.text:
                for match in re.finditer(r"states:::(?:aws-sdk:)?([a-z0-9-]+)", node.text):
                    service = catalogue().boto_like(match[1])
                    if service:
                        reader.add(service, Role.INTEGRATION, "integration.step_functions", node.line, User.APPLICATION)
            if ":iam::aws:policy/" in node.text:
                add_managed(reader.facts, node.text, node.line, reader.line(node.line))
            elif key == "Policies" and re.fullmatch(r"(Amazon|AWS)\w+", node.text):
                add_managed(reader.facts, f"arn:aws:iam::aws:policy/{node.text}", node.line, reader.line(node.line))
            if (
                key == "Type"
                and node.text.startswith("AMAZON_")
                and (service := catalogue().boto_like(node.text[7:].lower()))
            ):
                reader.add(service, Role.INTEGRATION, "integration.appsync", node.line, User.APPLICATION)


def _sam(reader: _Reader, name: str, line: int) -> None:
    """A SAM policy template such as `DynamoDBCrudPolicy`."""
    words = re.findall(r"[A-Z][a-z0-9]+|[A-Z0-9]+(?=[A-Z][a-z]|\b)", name.removeprefix("AWS"))
    for count in range(len(words), 0, -1):
        joined = "".join(words[:count])
        service = catalogue().aws_class_named(joined) or catalogue().boto.get(joined.lower())
        if service:
            reader.add(service, Role.PERMISSION, "iam.sam_policy", line, None)
            return


def _env(reader: _Reader, variable: str, value: Node, services: dict[str, str]) -> None:
    texts = [n.text for _, n in value.walk() if n.text]
    for text in texts:
        for logical, service in services.items():
            if re.search(rf"(?<![\w]){re.escape(logical)}(?![\w])", text) and service not in {
                "aws/lambda",
                "aws/iam",
                "aws/logs",
            }:
                reader.facts.env_links.append(EnvLink(variable, service, logical, reader.facts.file, value.line))
                return


def read_serverless(facts: FileFacts, document: Node, lines: list[str]) -> None:
    """serverless.yml: functions, their events, the role's statements, and the CloudFormation under `resources`."""
    reader = _Reader(facts, lines)
    if document.at("provider", "name") not in {"", "aws"}:
        return
    functions = document.get("functions")
    if functions is not None and functions.pairs:
        reader.add(
            "aws/lambda", Role.RESOURCE, "serverless.function", functions.key_line or functions.line, User.PLATFORM
        )
        for _, function in functions.pairs:
            handler = function.at("handler")
            if handler:
                facts.runs.append(("lambda", _beside(facts.file, handler.rpartition("/")[0] or ".")))
            events = function.get("events")
            for event in events.items if events is not None else ():
                for name, value in event.pairs or [(event.text or "", event)]:
                    service = _EVENTS.get(name, "")
                    if name == "stream":
                        text = value.text or " ".join(n.text or "" for _, n in value.walk())
                        service = "aws/kinesis" if "kinesis" in text else "aws/dynamodb"
                    if service:
                        reader.add(
                            service, Role.RESOURCE, "serverless.event", value.key_line or value.line, User.PLATFORM
                        )
    resources = document.get("resources")
    if resources is not None:
        for part in resources.items or [resources]:
            if is_template(part):
                read_template(facts, part, lines)
    provider = document.get("provider")
    if provider is not None:
        _common(reader, provider, {})
    if functions is not None:
        _common(reader, functions, {})


def common_of(facts: FileFacts, document: Node, lines: list[str]) -> None:
    """Policies and integrations in YAML or JSON of no known kind."""
    _common(_Reader(facts, lines), document, {})
