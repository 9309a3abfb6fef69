"""Shapes that real repositories have, each a few lines long, with the verdict that a person gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockhouse.review.review import known_service, review

A, T, PL, D, U = ["application"], ["tooling"], ["platform"], ["delivery"], "used"
S3B = 'terraform {\n  backend "s3" {\n    bucket = "tfstate"\n    key = "k"\n    region = "r"\n    dynamodb_table = "locks"\n  }\n}\n'

# name: (files, {service: (status, users)})
SHAPES: dict[str, tuple[dict[str, str], dict[str, tuple[str, list[str]]]]] = {
    "ts-wrapper-class": (
        {
            "package.json": '{"dependencies":{"@aws-sdk/client-dynamodb":"3","@aws-sdk/lib-dynamodb":"3"}}',
            "src/repo.ts": """import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocument } from "@aws-sdk/lib-dynamodb";
export class Repo { private doc = DynamoDBDocument.from(new DynamoDBClient({})); async get(id: string) { return this.doc.get({TableName: process.env.T, Key: {id}}); } }""",
        },
        {"aws/dynamodb": (U, A)},
    ),
    "ts-type-annotation-only": (
        {
            "package.json": '{"dependencies":{"@aws-sdk/client-s3":"3"}}',
            "a.ts": 'import { S3Client } from "@aws-sdk/client-s3";\nexport function f(c: S3Client): void {}\n',
        },
        {"aws/s3": ("declared_unused", [])},
    ),
    "nest-module": (
        {
            "a.ts": 'import { BullModule } from "@nestjs/bull";\nimport { Module } from "@nestjs/common";\n@Module({ imports: [BullModule.forRoot({ redis: { host: "x" } })] })\nexport class M {}\n'
        },
        {"redis": (U, A)},
    ),
    "py-session-fn": (
        {
            "a.py": 'import boto3\n\ndef c(profile):\n    s = boto3.Session(profile_name=profile)\n    return s.client("dynamodb"), s.resource("s3")\n'
        },
        {"aws/dynamodb": (U, A), "aws/s3": (U, A), "aws/sqs": ("not_present", [])},
    ),
    "py-kw": ({"a.py": 'import boto3\nc = boto3.client(service_name="sns")\n'}, {"aws/sns": (U, A)}),
    "py-aio": (
        {
            "a.py": 'import aioboto3\nasync def f():\n    session = aioboto3.Session()\n    async with session.client("sqs") as sqs:\n        await sqs.send_message(QueueUrl="x", MessageBody="y")\n'
        },
        {"aws/sqs": (U, A)},
    ),
    "py-fstring": (
        {"a.py": 'import boto3\ndef f(n):\n    return boto3.client(f"{n}-runtime")\n'},
        {"aws/dynamodb": ("unknown", [])},
    ),
    "py-loop": (
        {"a.py": 'import boto3\nclients = {n: boto3.client(n) for n in ("s3", "sqs")}\n'},
        {"aws/s3": (U, A), "aws/sqs": (U, A), "aws/dynamodb": ("not_present", [])},
    ),
    "py-const-other-file": (
        {
            "pkg/const.py": 'SERVICE = "dynamodb"\n',
            "pkg/a.py": "import boto3\nfrom pkg.const import SERVICE\nc = boto3.client(SERVICE)\n",
        },
        {"aws/dynamodb": (U, A)},
    ),
    "py-try-import": (
        {"a.py": "try:\n    import redis\nexcept ImportError:\n    redis = None\n"},
        {"redis": ("declared_unused", [])},
    ),
    "py-typechecking": (
        {
            "a.py": 'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mypy_boto3_dynamodb import DynamoDBClient\n    import redis\ndef f(c: "DynamoDBClient") -> None: ...\n'
        },
        {"aws/dynamodb": ("declared_unused", []), "redis": ("declared_unused", [])},
    ),
    "go-v1": (
        {
            "go.mod": "module x\n",
            "a.go": 'package a\nimport (\n "github.com/aws/aws-sdk-go/aws/session"\n "github.com/aws/aws-sdk-go/service/dynamodb"\n)\nvar s = dynamodb.New(session.Must(session.NewSession()))\n',
        },
        {"aws/dynamodb": (U, A)},
    ),
    "java-wild": (
        {
            "A.java": "package a;\nimport software.amazon.awssdk.services.sqs.*;\nclass A { SqsClient c = SqsClient.create(); }\n"
        },
        {"aws/sqs": (U, A)},
    ),
    "java-enhanced": (
        {
            "A.java": "package a;\nimport software.amazon.awssdk.enhanced.dynamodb.DynamoDbEnhancedClient;\nclass A { DynamoDbEnhancedClient c; }\n"
        },
        {"aws/dynamodb": (U, A)},
    ),
    "java-v1": (
        {
            "A.java": "import com.amazonaws.services.s3.AmazonS3ClientBuilder;\nclass A { Object c = AmazonS3ClientBuilder.defaultClient(); }\n"
        },
        {"aws/s3": (U, A)},
    ),
    "spring-yml": (
        {
            "src/main/resources/application.yml": "spring:\n  datasource:\n    url: jdbc:postgresql://db/x\n  data:\n    redis:\n      host: cache\n"
        },
        {"postgresql": (U, A)},
    ),
    "terraform-test-env": (
        {
            "environments/test/main.tf": 'terraform {\n  backend "s3" {\n    bucket="a"\n    key="b"\n    region="c"\n    dynamodb_table="l"\n  }\n}\nresource "aws_sqs_queue" "q" {}\n'
        },
        {"aws/dynamodb": (U, T), "aws/sqs": (U, PL)},
    ),
    "makefile": (
        {
            "Makefile": 'init:\n\tterraform init -backend-config="bucket=x" -backend-config="dynamodb_table=locks"\ndeploy:\n\taws s3 sync . s3://b\n'
        },
        {"aws/dynamodb": (U, T), "aws/s3": (U, ["tooling", "delivery"])},
    ),
    "tf-cli-vars": (
        {
            "init.sh": '#!/bin/bash\nTABLE=my-locks\nterraform init \\\n  -backend-config "dynamodb_table=${TABLE}" \\\n  -backend-config="bucket=$B"\n'
        },
        {"aws/dynamodb": (U, T)},
    ),
    "backend-hcl-file": (
        {
            "main.tf": 'terraform {\n  backend "s3" {}\n}\n',
            "backend.hcl": 'bucket = "x"\nkey = "y"\nregion = "z"\ndynamodb_table = "t"\n',
        },
        {"aws/dynamodb": (U, T)},
    ),
    "python-bootstrap": (
        {
            "bootstrap.py": """import boto3
ddb = boto3.client("dynamodb")
ddb.create_table(TableName="tf-locks", KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST")
"""
        },
        {"aws/dynamodb": (U, T)},
    ),
    "ts-bootstrap": (
        {
            "boot.ts": """import { DynamoDBClient, CreateTableCommand } from "@aws-sdk/client-dynamodb";
const c = new DynamoDBClient({});
await c.send(new CreateTableCommand({ TableName: "locks", KeySchema: [{ AttributeName: "LockID", KeyType: "HASH" }], AttributeDefinitions: [] }));
"""
        },
        {"aws/dynamodb": (U, T)},
    ),
    "cdk-v1": (
        {"a.ts": 'import * as ddb from "@aws-cdk/aws-dynamodb";\nnew ddb.Table(this, "x", {});\n'},
        {"aws/dynamodb": (U, PL)},
    ),
    "cdk-barrel": (
        {
            "a.ts": 'import { aws_dynamodb as dynamodb, aws_s3 } from "aws-cdk-lib";\nnew dynamodb.Table(this, "x", {});\n'
        },
        {"aws/dynamodb": (U, PL), "aws/s3": ("declared_unused", [])},
    ),
    "cdk-ns": (
        {"a.ts": 'import * as cdk from "aws-cdk-lib";\nnew cdk.aws_sqs.Queue(this, "x");\n'},
        {"aws/sqs": (U, PL)},
    ),
    "cdktf": (
        {
            "main.ts": 'import { S3Backend, TerraformStack } from "cdktf";\nimport { DynamodbTable } from "@cdktf/provider-aws/lib/dynamodb-table";\nnew S3Backend(stack, { bucket: "b", key: "k", dynamodbTable: "locks" });\nnew DynamodbTable(stack, "t", { name: "orders", hashKey: "id" });\n'
        },
        {"aws/dynamodb": (U, ["platform", "tooling"])},
    ),
    "pulumi-go": (
        {
            "main.go": 'package main\nimport (\n "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/dynamodb"\n "github.com/pulumi/pulumi/sdk/v3/go/pulumi"\n)\nfunc main() { pulumi.Run(func(ctx *pulumi.Context) error { dynamodb.NewTable(ctx, "t", &dynamodb.TableArgs{HashKey: pulumi.String("id")}); return nil }) }\n'
        },
        {"aws/dynamodb": (U, PL)},
    ),
    "k8s-irsa": (
        {
            "k.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\n  annotations:\n    eks.amazonaws.com/role-arn: arn:aws:iam::1:role/x\n"
        },
        {"aws/eks": ("not_present", [])},
    ),
    "lambda-asm": (
        {
            "template.yaml": "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Handler: a.b\n      Events:\n        S:\n          Type: SQS\n          Properties:\n            Queue: !GetAtt Q.Arn\n  Q:\n    Type: AWS::SQS::Queue\n"
        },
        {"aws/lambda": (U, PL), "aws/sqs": (U, PL)},
    ),
    "composite-action": (
        {
            ".github/actions/d/action.yml": 'runs:\n  using: composite\n  steps:\n    - run: aws dynamodb get-item --table-name x --key "{}"\n      shell: bash\n'
        },
        {"aws/dynamodb": (U, D)},
    ),
    "policy-json-only": (
        {
            "policies/app.json": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:GetItem"],"Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'
        },
        {"aws/dynamodb": ("permission_only", []), "aws/s3": ("not_present", [])},
    ),
    "heredoc-policy": (
        {
            "i.tf": 'resource "aws_iam_policy" "p" {\n  policy = <<EOF\n{\n  "Version": "2012-10-17",\n  "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "${aws_x.y.arn}"}]\n}\nEOF\n}\n'
        },
        {"aws/dynamodb": ("permission_only", [])},
    ),
    "managed": (
        {
            "i.tf": 'resource "aws_iam_role_policy_attachment" "p" {\n  role="x"\n  policy_arn = "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"\n}\n'
        },
        {"aws/dynamodb": ("permission_only", [])},
    ),
    "ruby-rails": (
        {
            "Gemfile": 'gem "pg"\ngem "redis"\ngem "aws-sdk-s3"\n',
            "config/storage.yml": "amazon:\n  service: S3\n  bucket: x\n",
            "config/database.yml": "default:\n  adapter: postgresql\n",
            "config/initializers/r.rb": '$redis = Redis.new(url: ENV["REDIS_URL"])\n',
        },
        {"aws/s3": (U, A), "postgresql": (U, A), "redis": (U, A)},
    ),
    "prisma": (
        {"prisma/schema.prisma": 'datasource db {\n  provider = "postgresql"\n  url      = env("DATABASE_URL")\n}\n'},
        {"postgresql": (U, A)},
    ),
    "sentry-trace-header": ({"a.py": 'H = {"sentry-trace": "x"}\n# Sentry is nice\n'}, {"sentry": ("docs_only", [])}),
    "generated-dir": (
        {
            "src/a.js": "module.exports = 1;\n",
            "dist/index.js": 'require("@aws-sdk/client-s3")\n',
            "node_modules/x/index.js": 'require("redis").createClient()\n',
        },
        {"aws/s3": ("not_present", []), "redis": ("not_present", [])},
    ),
    "dockerfile-test-env": ({"docker-compose.test.yml": "services:\n  r:\n    image: redis:7\n"}, {"redis": (U, PL)}),
    "tf-commented-block": (
        {"main.tf": '/*\nterraform {\n  backend "s3" {\n    dynamodb_table = "x"\n  }\n}\n*/\n'},
        {"aws/dynamodb": ("docs_only", [])},
    ),
    "provider-only": ({"main.tf": 'provider "aws" {\n  region = "x"\n}\n'}, {"aws/dynamodb": ("not_present", [])}),
    "tfstate-ds": (
        {
            "main.tf": 'data "terraform_remote_state" "n" {\n  backend = "s3"\n  config = {\n    bucket = "b"\n    key = "k"\n    region = "r"\n  }\n}\n'
        },
        {"aws/s3": (U, T)},
    ),
    "tfjson": (
        {
            "main.tf.json": '{"terraform":{"backend":{"s3":{"bucket":"b","key":"k","region":"r","dynamodb_table":"locks"}}},"resource":{"aws_sqs_queue":{"q":{"name":"x"}},"aws_dynamodb_table":{"t":{"name":"o","hash_key":"id"}}}}'
        },
        {"aws/dynamodb": (U, ["platform", "tooling"]), "aws/sqs": (U, PL)},
    ),
    "terragrunt-git": (
        {"terragrunt.hcl": 'terraform {\n  source = "git::git@github.com:acme/modules.git//rds?ref=v1"\n}\n'},
        {"aws/dynamodb": ("unknown", [])},
    ),
    "terragrunt-generate": (
        {
            "root.hcl": 'generate "backend" {\n  path = "backend.tf"\n  if_exists = "overwrite"\n  contents = <<EOF\nterraform {\n  backend "s3" {\n    bucket = "b"\n    key = "k"\n    region = "r"\n    dynamodb_table = "locks"\n  }\n}\nEOF\n}\n'
        },
        {"aws/dynamodb": (U, T)},
    ),
    "wf-with": (
        {
            ".github/workflows/a.yml": "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: dflook/terraform-plan@v1\n        with:\n          path: .\n          backend_config: |\n            bucket=b\n            dynamodb_table=locks\n"
        },
        {"aws/dynamodb": (U, T)},
    ),
    "wf-docker-redis": (
        {
            ".github/workflows/a.yml": "on: push\njobs:\n  a:\n    runs-on: x\n    services:\n      redis:\n        image: redis:7\n    steps:\n      - run: pytest\n"
        },
        {"redis": ("example_only", [])},
    ),
    "jenkins": (
        {
            "Jenkinsfile": "pipeline {\n  stages {\n    stage('d') { steps {\n      sh 'aws s3 cp a s3://b'\n      sh \"terraform init -backend-config=dynamodb_table=locks\"\n    } }\n  }\n}\n"
        },
        {"aws/s3": (U, D), "aws/dynamodb": (U, T)},
    ),
    "procfile": ({"Procfile": "web: ./start.sh\n", "start.sh": "aws s3 cp s3://x/y .\nexec app\n"}, {"aws/s3": (U, A)}),
    "npm-start": (
        {"package.json": '{"scripts":{"start":"./start.sh"}}', "start.sh": "aws s3 cp s3://x/y .\nexec app\n"},
        {"aws/s3": (U, A)},
    ),
    "ts-lock-client": (
        {
            "package.json": '{"name":"unlock","dependencies":{"@aws-sdk/client-dynamodb":"3"}}',
            "src/index.ts": 'import { DynamoDBClient, DeleteItemCommand } from "@aws-sdk/client-dynamodb";\nconst c = new DynamoDBClient({});\nexport const unlock = (t: string, id: string) => c.send(new DeleteItemCommand({ TableName: t, Key: { LockID: { S: id } } }));\n',
        },
        {"aws/dynamodb": (U, T)},
    ),
    "app-and-lock": (
        {
            "package.json": "{}",
            "src/lock.ts": 'import { DynamoDBClient, DeleteItemCommand } from "@aws-sdk/client-dynamodb";\nconst c = new DynamoDBClient({});\nexport const unlock = (t: string, id: string) => c.send(new DeleteItemCommand({ TableName: t, Key: { LockID: { S: id } } }));\n',
            "src/orders.ts": 'import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";\nconst c = new DynamoDBClient({});\nexport const put = () => c.send(new PutItemCommand({ TableName: "orders", Item: { id: { S: "1" } } }));\n',
        },
        {"aws/dynamodb": (U, ["application", "tooling"])},
    ),
    "kotlin": (
        {
            "A.kt": "import software.amazon.awssdk.services.dynamodb.DynamoDbClient\nval c: DynamoDbClient = DynamoDbClient.create()\n"
        },
        {"aws/dynamodb": (U, A)},
    ),
    "csharp": (
        {
            "A.cs": "using Amazon.DynamoDBv2;\nclass A { AmazonDynamoDBClient c = new(); }\n",
            "a.csproj": '<Project><ItemGroup><PackageReference Include="AWSSDK.SQS" Version="3" /></ItemGroup></Project>',
        },
        {"aws/dynamodb": (U, A), "aws/sqs": ("declared_unused", [])},
    ),
    "rust": (
        {
            "src/main.rs": "use aws_sdk_dynamodb::Client;\nfn main() { let c = Client::new(&cfg); }\n",
            "Cargo.toml": '[dependencies]\naws-sdk-dynamodb = "1"\nredis = "0.2"\n',
        },
        {"aws/dynamodb": (U, A), "redis": ("declared_unused", [])},
    ),
    "php": (
        {"a.php": "<?php\nuse Aws\\DynamoDb\\DynamoDbClient;\n$c = new DynamoDbClient([]);\n"},
        {"aws/dynamodb": (U, A)},
    ),
    "vue": (
        {
            "a.vue": '<template><div/></template>\n<script setup lang="ts">\nimport { createClient } from "@supabase/supabase-js";\nconst s = createClient("a", "b");\n</script>\n'
        },
        {"supabase": (U, A)},
    ),
    "helm": (
        {
            "chart/templates/d.yaml": "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - image: redis:7\n      name: {{ .Values.name }}\n{{- if .Values.x }}\n{{- end }}\n"
        },
        {"redis": (U, PL)},
    ),
    "cfn-json": (
        {
            "t.json": '{\n\t"AWSTemplateFormatVersion": "2010-09-09",\n\t"Resources": {\n\t\t"T": {"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": [{"AttributeName": "LockID", "KeyType": "HASH"}]}}\n\t}\n}'
        },
        {"aws/dynamodb": (U, T)},
    ),
    "asl": (
        {"sm.asl.json": '{"States":{"A":{"Type":"Task","Resource":"arn:aws:states:::dynamodb:putItem"}}}'},
        {"aws/dynamodb": (U, A)},
    ),
    "appsync-tf": (
        {
            "a.tf": 'resource "aws_appsync_datasource" "d" {\n  type = "AMAZON_DYNAMODB"\n  api_id = "x"\n  name="n"\n}\n'
        },
        {"aws/dynamodb": (U, A), "aws/appsync": (U, PL)},
    ),
    "vpce": (
        {
            "a.tf": 'resource "aws_vpc_endpoint" "d" {\n  service_name = "com.amazonaws.us-east-1.dynamodb"\n  vpc_id = "x"\n}\n'
        },
        {"aws/dynamodb": ("permission_only", [])},
    ),
    "docs-code": (
        {
            "docs/example.py": 'import boto3\nboto3.client("dynamodb")\n',
            "docs/guide.tf": 'resource "aws_sqs_queue" "q" {}\n',
            "README.rst": "Uses Kinesis",
        },
        {"aws/dynamodb": ("example_only", []), "aws/kinesis": ("docs_only", [])},
    ),
    "string-mention": (
        {"a.py": 'print("we do not use DynamoDB or redis")\n'},
        {"aws/dynamodb": ("not_present", []), "redis": ("not_present", [])},
    ),
    "side-effect": ({"a.ts": 'import "dd-trace/init";\n'}, {"datadog": (U, A)}),
    "inline-require": (
        {"a.js": 'const client = new (require("@aws-sdk/client-sqs").SQSClient)({});\nrequire("newrelic");\n'},
        {"aws/sqs": (U, A), "newrelic": (U, A)},
    ),
    "dynamic-import": (
        {
            "a.ts": 'const { S3Client } = await import("@aws-sdk/client-s3");\nnew S3Client({});\nasync function g(n: string) { return import(`@aws-sdk/client-${n}`); }\n'
        },
        {"aws/s3": (U, A), "aws/dynamodb": ("unknown", [])},
    ),
    "barrel": (
        {"lib/index.ts": 'export { DynamoDBClient } from "@aws-sdk/client-dynamodb";\n'},
        {"aws/dynamodb": (U, A)},
    ),
    "redis-local-import": (
        {
            "a.ts": 'import { redis } from "./redis";\nredis.get("x");\n',
            "redis.ts": "export const redis = { get(k: string) { return k; } };\n",
        },
        {"redis": ("not_present", [])},
    ),
    "python-local-redis": (
        {
            "app/redis.py": "def get(): ...\n",
            "app/a.py": "from .redis import get\nfrom app.redis import get as g\nget(); g()\n",
        },
        {"redis": ("not_present", [])},
    ),
    "python-shadow-stripe": (
        {"stripe/__init__.py": "X=1\n", "main.py": "import stripe\nprint(stripe.X)\n"},
        {"stripe": ("not_present", [])},
    ),
    "sqlalchemy-url": (
        {"a.py": 'from sqlalchemy import create_engine\ne = create_engine("postgresql+psycopg2://u:p@h/db")\n'},
        {"postgresql": (U, A)},
    ),
    "env-only": ({".env": "STRIPE_SECRET_KEY=abc\n"}, {"stripe": ("declared_unused", [])}),
    "env-url": ({".env": "REDIS_URL=redis://localhost:6379\n"}, {"redis": (U, A)}),
    "k8s-env": (
        {
            "k.yaml": "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n        - name: a\n          image: acme/app:1\n          env:\n            - name: URL\n              value: postgres://db/x\n"
        },
        {"postgresql": (U, A)},
    ),
    "lambda-go": (
        {
            "go.mod": "module x\n",
            "main.go": 'package main\nimport "github.com/aws/aws-lambda-go/lambda"\nfunc main() { lambda.Start(h) }\n',
        },
        {"aws/lambda": (U, A)},
    ),
    "mock-only": (
        {
            "src/app.ts": "export const x = 1;",
            "src/__mocks__/db.ts": 'import { DynamoDBClient } from "@aws-sdk/client-dynamodb";\nexport const d = new DynamoDBClient({});\n',
            "src/app.test.ts": 'import Redis from "ioredis";\nnew Redis();\n',
        },
        {"aws/dynamodb": ("example_only", []), "redis": ("example_only", [])},
    ),
    "mixed-perm-docs": (
        {
            "README.md": "DynamoDB",
            "p.json": '{"Statement":[{"Effect":"Allow","Action":"dynamodb:Get*","Resource":"*"}]}',
        },
        {"aws/dynamodb": ("permission_only", [])},
    ),
    "unknown-beats-docs": (
        {"README.md": "DynamoDB", "a.py": "import boto3,sys\nboto3.client(sys.argv[1])\n"},
        {"aws/dynamodb": ("unknown", [])},
    ),
    "anthropic-bedrock": (
        {"a.py": "from anthropic import AnthropicBedrock\nc = AnthropicBedrock()\n"},
        {"aws/bedrock": (U, A), "anthropic": ("not_present", [])},
    ),
    "lock-item": (
        {
            "m.tf": 'resource "aws_dynamodb_table" "l" {\n  name = "x"\n  hash_key = "LockID"\n}\nresource "aws_s3_bucket" "s" {\n  bucket = "state"\n}\nresource "aws_s3_bucket_versioning" "s" {\n  bucket = aws_s3_bucket.s.id\n}\n'
        },
        {"aws/dynamodb": (U, T), "aws/s3": (U, T)},
    ),
    "lock-and-app-bucket": (
        {
            "m.tf": 'terraform {\n  backend "s3" {\n    bucket = "tfstate"\n    dynamodb_table = "x"\n  }\n}\nresource "aws_dynamodb_table" "l" {\n  name = "x"\n  hash_key = "LockID"\n}\nresource "aws_s3_bucket" "uploads" {\n  bucket = "uploads"\n}\n'
        },
        {"aws/dynamodb": (U, T), "aws/s3": (U, ["platform", "tooling"])},
    ),
    "locals": (
        {
            "m.tf": 'locals {\n  key = "LockID"\n}\nresource "aws_dynamodb_table" "l" {\n  name = "x"\n  hash_key = local.key\n}\n'
        },
        {"aws/dynamodb": (U, T)},
    ),
    "tfvars": (
        {
            "m.tf": 'variable "key" {}\nresource "aws_dynamodb_table" "l" {\n  name = "x"\n  hash_key = var.key\n}\n',
            "terraform.tfvars": 'key = "LockID"\n',
        },
        {"aws/dynamodb": (U, T)},
    ),
    "flask-ext": ({"a.py": "from flask_redis import FlaskRedis\nr = FlaskRedis()\n"}, {"redis": (U, A)}),
    # terraform in app + app code uses s3 + comment of dynamodb in code
    "full1": (
        {
            "backend/package.json": '{"name":"b","dependencies":{"@supabase/supabase-js":"2","@aws-sdk/client-s3":"3"}}',
            "backend/src/a.ts": 'import { createClient } from "@supabase/supabase-js";\n// We do not use DynamoDB here\nexport const s = createClient(process.env.A!, process.env.B!);\n',
            "backend/infra/backend.tf": S3B,
            "backend/package-lock.json": '{"packages":{"node_modules/@aws-sdk/client-dynamodb":{"version":"3"}}}',
        },
        {"aws/dynamodb": (U, T), "supabase": (U, A), "aws/s3": (U, T)},
    ),
    "cjs-wrapper-unused-fn": (
        {"a.js": 'const { DynamoDB } = require("aws-sdk");\nmodule.exports = {};\n'},
        {"aws/dynamodb": ("declared_unused", [])},
    ),
    "js-destruct-later": (
        {"a.js": 'const AWS = require("aws-sdk");\nconst { SQS } = AWS;\nmodule.exports = new SQS();\n'},
        {"aws/sqs": (U, A)},
    ),
    "xray": (
        {
            "a.js": 'const AWSXRay = require("aws-xray-sdk");\nconst AWS = AWSXRay.captureAWS(require("aws-sdk"));\nconst d = new AWS.DynamoDB();\n'
        },
        {"aws/dynamodb": (U, A), "aws/xray": (U, A)},
    ),
    "esm-default-aws": (
        {
            "a.ts": 'import AWS from "aws-sdk";\nimport S3 from "aws-sdk/clients/s3";\nexport const x = [new AWS.SNS(), new S3()];\n'
        },
        {"aws/sns": (U, A), "aws/s3": (U, A)},
    ),
    "powertools": (
        {"a.py": 'from aws_lambda_powertools.utilities import parameters\nv = parameters.get_secret("x")\n'},
        {"aws/secretsmanager": ("not_present", [])},
    ),
    "py-dynamo-resource-cls": (
        {
            "a.py": 'import boto3\nclass R:\n    def __init__(self):\n        self.ddb = boto3.resource("dynamodb")\n        self.t = self.ddb.Table("x")\n    def g(self, k):\n        return self.t.query(KeyConditionExpression=k)\n'
        },
        {"aws/dynamodb": (U, A)},
    ),
    "py-unused-boto": ({"a.py": "import boto3\n"}, {"aws/dynamodb": ("not_present", [])}),
    "py-attrs": (
        {
            "a.py": 'from boto3.dynamodb.conditions import Key\nfrom boto3.dynamodb.types import TypeDeserializer\nprint(Key("x"))\n'
        },
        {"aws/dynamodb": (U, A)},
    ),
    "go-types-only": (
        {
            "go.mod": "module x\n",
            "a.go": 'package a\nimport "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"\nfunc F(x types.AttributeValue) {}\n',
        },
        {"aws/dynamodb": (U, A)},
    ),
    "go-commented": (
        {
            "go.mod": "module x\nrequire github.com/aws/aws-sdk-go-v2/service/sqs v1.0.0 // indirect\n",
            "a.go": 'package a\n// import "github.com/aws/aws-sdk-go-v2/service/sqs"\n',
        },
        {"aws/sqs": ("docs_only", [])},
    ),
    "java-comment": (
        {"A.java": "// import software.amazon.awssdk.services.sqs.SqsClient;\nclass A {}\n"},
        {"aws/sqs": ("docs_only", [])},
    ),
    "gradle": (
        {
            "build.gradle": 'dependencies {\n  implementation "software.amazon.awssdk:dynamodb:2.0"\n  // implementation "software.amazon.awssdk:sqs:2.0"\n}\n',
            "src/main/java/A.java": "class A {}",
        },
        {"aws/dynamodb": ("declared_unused", []), "aws/sqs": ("not_present", [])},
    ),
    "poetry": (
        {
            "pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\nredis = "^5"\nstripe = {version="1"}\n[tool.poetry.group.dev.dependencies]\nfakeredis="1"\n',
            "poetry.lock": '[[package]]\nname = "twilio"\nversion="1"\n',
        },
        {"redis": ("declared_unused", []), "stripe": ("declared_unused", []), "twilio": ("lock_file_only", [])},
    ),
    "yarn-pnpm": (
        {
            "yarn.lock": '"@aws-sdk/client-dynamodb@^3.1":\n  version "3.1"\nioredis@^5:\n  version "5"\n',
            "x/pnpm-lock.yaml": "packages:\n  '@sendgrid/mail@7.0.0':\n    resolution: {}\n  stripe@14.0.0:\n    resolution: {}\n",
        },
        {
            "aws/dynamodb": ("lock_file_only", []),
            "redis": ("lock_file_only", []),
            "sendgrid": ("lock_file_only", []),
            "stripe": ("lock_file_only", []),
        },
    ),
    "count-var": (
        {
            "m.tf": 'variable "on" {\n  default = false\n}\nresource "aws_sqs_queue" "q" {\n  count = var.on ? 1 : 0\n}\n'
        },
        {"aws/sqs": ("declared_unused", [])},
    ),
    "local-module": (
        {
            "m.tf": 'module "d" {\n  source = "./mod"\n}\n',
            "mod/main.tf": 'resource "aws_dynamodb_table" "t" {\n  name = "x"\n  hash_key = "id"\n}\n',
        },
        {"aws/dynamodb": (U, PL)},
    ),
    "module-missing": ({"m.tf": 'module "d" {\n  source = "../../nowhere"\n}\n'}, {"aws/dynamodb": ("unknown", [])}),
    "registry-private": (
        {"m.tf": 'module "d" {\n  source = "app.terraform.io/acme/platform/aws"\n  version = "1"\n}\n'},
        {"aws/dynamodb": ("unknown", [])},
    ),
    "cloudposse-backend": (
        {"m.tf": 'module "tfstate" {\n  source = "cloudposse/tfstate-backend/aws"\n}\n'},
        {"aws/dynamodb": (U, T), "aws/s3": (U, T)},
    ),
    "cloudposse-label": (
        {"m.tf": 'module "l" {\n  source = "cloudposse/label/null"\n}\n'},
        {"aws/dynamodb": ("not_present", [])},
    ),
    "gha-oidc": (
        {
            ".github/workflows/d.yml": "on: push\njobs:\n  d:\n    runs-on: x\n    steps:\n      - uses: aws-actions/configure-aws-credentials@v4\n      - uses: hashicorp/setup-terraform@v3\n      - run: terraform init && terraform apply -auto-approve\n",
            "m.tf": S3B,
        },
        {"aws/dynamodb": (U, T)},
    ),
    "gha-create": (
        {
            ".github/workflows/d.yml": "on: push\njobs:\n  d:\n    runs-on: x\n    steps:\n      - run: |\n          aws dynamodb create-table --table-name locks --attribute-definitions AttributeName=LockID,AttributeType=S --key-schema AttributeName=LockID,KeyType=HASH --billing-mode PAY_PER_REQUEST\n"
        },
        {"aws/dynamodb": (U, T)},
    ),
    "script-data-table": (
        {
            "s.sh": "aws dynamodb create-table --table-name terraform-locks --attribute-definitions AttributeName=id,AttributeType=S --key-schema AttributeName=id,KeyType=HASH\n"
        },
        {"aws/dynamodb": (U, PL)},
    ),
    "script-echo": (
        {"s.sh": 'echo "run: aws dynamodb list-tables"\n# aws sqs list-queues\n'},
        {"aws/dynamodb": ("not_present", []), "aws/sqs": ("docs_only", [])},
    ),
    "script-name-of-backend": (
        {"s.sh": 'aws dynamodb delete-item --table-name locks --key "$K"\n', "m.tf": S3B},
        {"aws/dynamodb": (U, T)},
    ),
    "compose-app": (
        {
            "docker-compose.yml": "services:\n  app:\n    build: .\n    environment:\n      - DATABASE_URL=postgres://u:p@db/x\n      - TABLE=${TABLE}\n  db:\n    image: postgres\n"
        },
        {"postgresql": (U, ["application", "platform"])},
    ),
    "localstack": (
        {
            "docker-compose.yml": "services:\n  l:\n    image: localstack/localstack\n    environment:\n      - SERVICES=s3,dynamodb,sqs\n"
        },
        {"aws/dynamodb": ("example_only", []), "aws/s3": ("example_only", [])},
    ),
    "sls-plugin": (
        {
            "serverless.yml": "service: a\nplugins:\n  - serverless-dynamodb-local\nprovider:\n  name: aws\n  runtime: nodejs20.x\nfunctions:\n  f:\n    handler: a.h\n"
        },
        {"aws/dynamodb": ("not_present", []), "aws/lambda": (U, PL)},
    ),
    "sam-table": (
        {
            "template.yml": "Transform: AWS::Serverless-2016-10-31\nResources:\n  T:\n    Type: AWS::Serverless::SimpleTable\n"
        },
        {"aws/dynamodb": (U, PL)},
    ),
    "upper-wording": ({"NOTES.txt": "dynamodb table\n"}, {"aws/dynamodb": ("docs_only", [])}),
    "tf-test-file": (
        {
            "tests/a.tftest.hcl": 'run "x" {\n}\n',
            "main.tf": 'resource "aws_sqs_queue" "q" {}\n',
            "examples/complete/main.tf": S3B,
        },
        {"aws/dynamodb": ("example_only", []), "aws/sqs": (U, PL)},
    ),
    "tf-example-file": ({"backend.tf.example": S3B}, {"aws/dynamodb": ("example_only", [])}),
    "readme-tf": ({"README.md": "```hcl\n" + S3B + "```\n"}, {"aws/dynamodb": ("docs_only", [])}),
    "cdk-grant-lambda": (
        {
            "lib/s.ts": 'import * as dynamodb from "aws-cdk-lib/aws-dynamodb";\nimport * as lambda from "aws-cdk-lib/aws-lambda";\nconst t = new dynamodb.Table(this, "T", { partitionKey: { name: "id", type: dynamodb.AttributeType.STRING } });\nconst f = new lambda.Function(this, "F", { environment: { TABLE: t.tableName }, code: lambda.Code.fromAsset("lambda") });\nt.grantReadData(f);\n',
            "lambda/i.ts": 'import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";\nconst c = new DynamoDBClient({});\nexport const h = () => c.send(new GetItemCommand({ TableName: process.env.TABLE, Key: {} }));\n',
        },
        {"aws/dynamodb": (U, ["application", "platform"]), "aws/lambda": (U, PL)},
    ),
    "pulumi-yaml": (
        {
            "Pulumi.yaml": "name: a\nruntime: yaml\nresources:\n  t:\n    type: aws:dynamodb:Table\n    properties:\n      hashKey: id\n"
        },
        {"aws/dynamodb": (U, PL)},
    ),
    "ansible": (
        {
            "play.yml": "- hosts: all\n  tasks:\n    - amazon.aws.s3_bucket:\n        name: x\n    - community.aws.dynamodb_table:\n        name: t\n        hash_key_name: id\n"
        },
        {"aws/dynamodb": (U, PL), "aws/s3": (U, PL)},
    ),
    "knex": (
        {
            "package.json": '{"dependencies":{"knex":"1","pg":"8"}}',
            "db.js": 'const knex = require("knex")({ client: "pg", connection: process.env.DATABASE_URL });\nmodule.exports = knex;\n',
        },
        {"postgresql": (U, A)},
    ),
    "typeorm": (
        {
            "package.json": '{"dependencies":{"typeorm":"1","pg":"8"}}',
            "db.ts": 'import { DataSource } from "typeorm";\nexport const d = new DataSource({ type: "postgres", host: "x" });\n',
        },
        {"postgresql": (U, A)},
    ),
    "drizzle": (
        {"a.ts": 'import { drizzle } from "drizzle-orm/node-postgres";\nexport const d = drizzle("x");\n'},
        {"postgresql": (U, A)},
    ),
    "nextauth-adapter": (
        {"a.ts": 'import { DynamoDBAdapter } from "@auth/dynamodb-adapter";\nexport const a = DynamoDBAdapter(c);\n'},
        {"aws/dynamodb": (U, A)},
    ),
    "sst": (
        {
            "sst.config.ts": 'export default $config({ async run() { const t = new sst.aws.Dynamo("T", {}); new sst.aws.Bucket("B"); } });\n'
        },
        {"aws/dynamodb": (U, PL), "aws/s3": (U, PL)},
    ),
    "amplify-gen2": (
        {
            "package.json": '{"dependencies":{"aws-amplify":"6"}}',
            "a.ts": 'import { Amplify } from "aws-amplify";\nAmplify.configure({});\n',
        },
        {"aws/amplify": (U, A)},
    ),
    "arn-policy-in-ts": (
        {
            "lib/s.ts": 'import * as iam from "aws-cdk-lib/aws-iam";\nnew iam.PolicyStatement({ actions: ["dynamodb:GetItem"], resources: ["*"] });\n'
        },
        {"aws/dynamodb": ("permission_only", []), "aws/iam": (U, PL)},
    ),
    "principal": (
        {
            "m.tf": 'data "aws_iam_policy_document" "a" {\n  statement {\n    actions = ["sts:AssumeRole"]\n    principals {\n      type = "Service"\n      identifiers = ["lambda.amazonaws.com"]\n    }\n  }\n}\n'
        },
        {"aws/lambda": ("not_present", []), "aws/sts": ("permission_only", [])},
    ),
    "root-lock-client": (
        {
            "main.go": 'package main\nimport "github.com/aws/aws-sdk-go-v2/service/dynamodb"\nvar k = "LockID"\nfunc f(c *dynamodb.Client) { c.DeleteItem(nil, &dynamodb.DeleteItemInput{}) }\n',
            "go.mod": "module x\n",
            "util.go": 'package main\nimport "github.com/aws/aws-sdk-go-v2/service/dynamodb"\nfunc n() *dynamodb.Client { return dynamodb.New(dynamodb.Options{}) }\n',
        },
        {"aws/dynamodb": (U, T)},
    ),
    "py-lambda-sns-sqs-unused-var": ({"a.py": 'import boto3\nsqs = boto3.client("sqs")\n'}, {"aws/sqs": (U, A)}),
    "py-decorated-wrapper": (
        {
            "lib/db.py": 'import boto3\n\n\ndef table(name):\n    return boto3.resource("dynamodb").Table(name)\n',
            "app.py": 'from lib.db import table\n\nusers = table("users")\nusers.put_item(Item={})\n',
        },
        {"aws/dynamodb": (U, A)},
    ),
    "js-wrapper-pkg": (
        {
            "package.json": '{"dependencies":{"@acme/dynamo-wrapper":"1"}}',
            "a.js": 'const d = require("@acme/dynamo-wrapper");\nd.get();\n',
        },
        {"aws/dynamodb": ("not_present", [])},
    ),
    "ts-path-alias": (
        {
            "src/lib/redis.ts": 'import Redis from "ioredis";\nexport const redis = new Redis(process.env.REDIS_URL!);\n',
            "src/app.ts": 'import { redis } from "@/lib/redis";\nredis.get("x");\n',
        },
        {"redis": (U, A)},
    ),
    "express-session": (
        {
            "server.js": 'const session = require("express-session");\nconst RedisStore = require("connect-redis")(session);\napp.use(session({ store: new RedisStore() }));\n'
        },
        {"redis": (U, A)},
    ),
    "js-commented-require": (
        {"a.js": '// const redis = require("redis");\n/*\nconst s = require("stripe");\n*/\nmodule.exports = {};\n'},
        {"redis": ("docs_only", []), "stripe": ("docs_only", [])},
    ),
    "py-string-triple": (
        {"a.py": 'DOC = """\nimport boto3\nboto3.client("dynamodb")\n"""\n'},
        {"aws/dynamodb": ("not_present", [])},
    ),
    "tf-moved-lock": (
        {
            "infra/state/main.tf": 'resource "aws_dynamodb_table" "x" {\n  name = "n"\n  hash_key = "LockID"\n  attribute {\n    name = "LockID"\n    type = "S"\n  }\n}\nresource "aws_dynamodb_table" "orders" {\n  name = "orders"\n  hash_key = "pk"\n}\n'
        },
        {"aws/dynamodb": (U, ["platform", "tooling"])},
    ),
    "tf-data-only": ({"m.tf": 'data "aws_dynamodb_table" "t" {\n  name = "orders"\n}\n'}, {"aws/dynamodb": (U, PL)}),
    "ecs-env-table": (
        {
            "infra/m.tf": 'resource "aws_dynamodb_table" "orders" {\n  name = "orders"\n  hash_key = "id"\n}\nresource "aws_ecs_task_definition" "t" {\n  family="x"\n  container_definitions = jsonencode([{ name="a", environment=[{name="ORDERS_TABLE", value=aws_dynamodb_table.orders.name}] }])\n}\n',
            "app/main.py": 'import os\nT = os.environ["ORDERS_TABLE"]\n',
        },
        {"aws/dynamodb": (U, ["application", "platform"])},
    ),
    "env-linked-comment": (
        {
            "infra/m.tf": 'resource "aws_sqs_queue" "q" {\n}\nresource "aws_lambda_function" "t" {\n  environment {\n    variables = {\n      QUEUE_URL = aws_sqs_queue.q.url\n    }\n  }\n}\n',
            "app/main.py": '# os.environ["QUEUE_URL"]\n',
        },
        {"aws/sqs": (U, PL)},
    ),
    "module-output-link": (
        {
            "infra/m.tf": 'module "q" {\n  source = "./q"\n}\nresource "aws_lambda_function" "t" {\n  environment {\n    variables = {\n      QUEUE_URL = module.q.url\n    }\n  }\n}\n',
            "infra/q/main.tf": 'resource "aws_sqs_queue" "q" {\n}\noutput "url" {\n  value = aws_sqs_queue.q.url\n}\n',
            "app/main.js": "console.log(process.env.QUEUE_URL);\n",
        },
        {"aws/sqs": (U, ["application", "platform"])},
    ),
    "backend-in-docs-and-live": (
        {
            "docs/x.md": 'dynamodb_table = "a"',
            "m.tf": 'terraform {\n  backend "s3" {\n    bucket="b"\n    key="k"\n    region="r"\n    use_lockfile = true\n  }\n}\n',
        },
        {"aws/dynamodb": ("docs_only", []), "aws/s3": (U, T)},
    ),
    "tf-string-only": (
        {"m.tf": 'variable "x" {\n  description = "DynamoDB table"\n}\noutput "y" {\n  value = "dynamodb"\n}\n'},
        {"aws/dynamodb": ("not_present", [])},
    ),
    "local-backend": (
        {"m.tf": 'terraform {\n  backend "local" {}\n}\n'},
        {"aws/dynamodb": ("not_present", []), "aws/s3": ("not_present", [])},
    ),
    "gcs-azure-backend": (
        {
            "a/m.tf": 'terraform {\n  backend "gcs" {\n    bucket="b"\n  }\n}\n',
            "b/m.tf": 'terraform {\n  backend "azurerm" {\n    storage_account_name="x"\n  }\n}\n',
        },
        {"gcp/storage": (U, T), "azure/storage": (U, T)},
    ),
    "lambda-layer-py-in-tf": (
        {
            "terraform/lambda_src/index.js": 'const { SNSClient, PublishCommand } = require("@aws-sdk/client-sns");\nexports.handler = () => new SNSClient({}).send(new PublishCommand({}));\n',
            "terraform/main.tf": 'resource "aws_lambda_function" "f" {\n  filename = "x.zip"\n}\n',
        },
        {"aws/sns": (U, A), "aws/lambda": (U, PL)},
    ),
    "inline-lambda-cfn": (
        {
            "t.yaml": 'Resources:\n  F:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code:\n        ZipFile: |\n          import boto3\n          boto3.client("dynamodb").put_item(TableName="x", Item={})\n'
        },
        {"aws/dynamodb": (U, A), "aws/lambda": (U, PL)},
    ),
    "user-data": (
        {
            "m.tf": 'resource "aws_instance" "i" {\n  user_data = <<-EOF\n    #!/bin/bash\n    aws s3 cp s3://b/x .\n  EOF\n}\n'
        },
        {"aws/s3": (U, PL), "aws/ec2": (U, PL)},
    ),
    "wf-env-only": (
        {".github/workflows/x.yml": "on: push\nenv:\n  STRIPE_SECRET_KEY: ${{ secrets.S }}\njobs: {}\n"},
        {"stripe": ("not_present", [])},
    ),
    "py-subprocess": (
        {"a.py": 'import subprocess\nsubprocess.run(["aws", "s3", "cp", "a", "s3://b/c"])\n'},
        {"aws/s3": (U, A)},
    ),
    "deprecated-boto2": (
        {
            "a.py": 'import boto.dynamodb2\nfrom boto.s3.connection import S3Connection\nS3Connection()\nboto.dynamodb2.connect_to_region("x")\n'
        },
        {"aws/s3": (U, A), "aws/dynamodb": (U, A)},
    ),
    "type-only-inline": (
        {"a.ts": 'import { type DynamoDBClient } from "@aws-sdk/client-dynamodb";\nexport type X = DynamoDBClient;\n'},
        {"aws/dynamodb": ("declared_unused", [])},
    ),
    "jsx": (
        {
            "a.tsx": 'import { PayPalButtons } from "@paypal/react-paypal-js";\nexport const B = () => <PayPalButtons />;\n'
        },
        {"paypal": (U, A)},
    ),
    "sentry-config": (
        {
            "sentry.client.config.ts": 'import * as Sentry from "@sentry/nextjs";\nSentry.init({ dsn: "x" });\n',
            "next.config.js": 'const { withSentryConfig } = require("@sentry/nextjs");\nmodule.exports = withSentryConfig({});\n',
        },
        {"sentry": (U, A)},
    ),
    "go-test-only": (
        {
            "a_test.go": 'package a\nimport "github.com/aws/aws-sdk-go-v2/service/sqs"\nvar c = sqs.New(sqs.Options{})\n',
            "a.go": "package a\n",
            "go.mod": "module x\nrequire github.com/aws/aws-sdk-go-v2/service/sqs v1.0.0\n",
        },
        {"aws/sqs": ("declared_unused", [])},
    ),
    "tf-lock-file": (
        {
            ".terraform.lock.hcl": 'provider "registry.terraform.io/hashicorp/aws" {\n  version = "5.0.0"\n}\n',
            "m.tf": "locals {\n a=1\n}\n",
        },
        {"aws/dynamodb": ("not_present", [])},
    ),
    "monorepo-two": (
        {
            "apps/a/package.json": '{"dependencies":{"stripe":"1"}}',
            "apps/a/i.ts": 'import Stripe from "stripe";\nnew Stripe("x");\n',
            "apps/b/package.json": '{"dependencies":{"twilio":"1"}}',
            "apps/b/i.ts": "export const x = 1;\n",
        },
        {"stripe": (U, A), "twilio": ("declared_unused", [])},
    ),
    "supabase-py": (
        {"a.py": 'from supabase import create_client\nc = create_client("u", "k")\n'},
        {"supabase": (U, A)},
    ),
    "supabase-http": ({"a.js": 'fetch("https://abcdef.supabase.co/rest/v1/users");\n'}, {"supabase": (U, A)}),
    "supabase-cli-wf": (
        {
            ".github/workflows/x.yml": "on: push\njobs:\n  d:\n    runs-on: x\n    steps:\n      - uses: supabase/setup-cli@v1\n      - run: supabase db push\n"
        },
        {"supabase": (U, D)},
    ),
    "vercel-cli": ({"package.json": '{"scripts":{"deploy":"vercel deploy --prod"}}'}, {"vercel": (U, D)}),
    "wrangler-toml": (
        {
            "wrangler.toml": 'name = "x"\nmain = "src/i.ts"\n[[kv_namespaces]]\nbinding = "K"\n',
            "src/i.ts": "export default {};\n",
        },
        {"cloudflare": (U, PL)},
    ),
    "vercel-json": ({"vercel.json": '{"version":2}'}, {"vercel": (U, PL)}),
    "fly-toml": ({"fly.toml": 'app = "x"\n'}, {"fly": (U, PL)}),
    "nested-terraform-in-src": (
        {
            "backend/package.json": '{"name":"b"}',
            "backend/src/infra/main.tf": S3B,
            "backend/src/index.ts": "export const a = 1;\n",
        },
        {"aws/dynamodb": (U, T)},
    ),
    "policy-tooling-only": (
        {
            "m.tf": S3B
            + 'data "aws_iam_policy_document" "ci" {\n  statement {\n    actions = ["dynamodb:GetItem","dynamodb:PutItem","dynamodb:DeleteItem"]\n    resources = ["arn:aws:dynamodb:*:*:table/locks"]\n  }\n}\n',
            "app/a.py": "print(1)\n",
        },
        {"aws/dynamodb": (U, T)},
    ),
    "wf-heredoc": (
        {
            ".github/workflows/t.yml": 'on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: |\n          cat <<EOF > backend.tf\n          terraform {\n            backend "s3" {\n              bucket = "b"\n              dynamodb_table = "locks"\n            }\n          }\n          EOF\n          terraform init\n'
        },
        {"aws/dynamodb": (U, T), "aws/s3": (U, T)},
    ),
    "wf-tfbackend-heredoc": (
        {
            "ci.sh": 'cat <<EOF > prod.tfbackend\nbucket = "b"\nkey = "k"\ndynamodb_table = "locks"\nEOF\nterraform init -backend-config=prod.tfbackend\n'
        },
        {"aws/dynamodb": (U, T)},
    ),
    "wf-printf": (
        {
            ".github/workflows/t.yml": 'on: push\nenv:\n  LOCK_TABLE: acme-locks\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: terraform init -backend-config="dynamodb_table=${{ env.LOCK_TABLE }}" -backend-config="bucket=${BUCKET}"\n'
        },
        {"aws/dynamodb": (U, T)},
    ),
    "tf-init-args-var": (
        {
            "terragrunt.hcl": 'remote_state {\n  backend = "s3"\n  config = merge(local.common, {\n    dynamodb_table = "locks"\n    bucket = "b"\n  })\n}\n'
        },
        {"aws/dynamodb": (U, T)},
    ),
    "terragrunt-inputs": (
        {
            "live/prod/db/terragrunt.hcl": 'terraform {\n  source = "../../../modules//table"\n}\ninputs = {\n  name = "orders"\n  hash_key = "id"\n}\n',
            "modules/table/main.tf": 'variable "name" {}\nvariable "hash_key" {}\nresource "aws_dynamodb_table" "t" {\n  name = var.name\n  hash_key = var.hash_key\n}\n',
        },
        {"aws/dynamodb": (U, PL)},
    ),
    "for-each-tables": (
        {
            "m.tf": 'locals {\n  tables = { orders = "id" }\n}\nresource "aws_dynamodb_table" "t" {\n  for_each = local.tables\n  name = each.key\n  hash_key = each.value\n}\n'
        },
        {"aws/dynamodb": (U, PL)},
    ),
    "gsi": (
        {
            "m.tf": 'resource "aws_dynamodb_table" "t" {\n  name = "t"\n  hash_key = "pk"\n  attribute {\n    name = "LockID"\n    type = "S"\n  }\n}\n'
        },
        {"aws/dynamodb": (U, PL)},
    ),
    "tf-heredoc-json": (
        {
            "m.tf": 'resource "aws_sfn_state_machine" "s" {\n  definition = <<EOF\n{"States":{"A":{"Type":"Task","Resource":"arn:aws:states:::dynamodb:getItem"}}}\nEOF\n}\n'
        },
        {"aws/dynamodb": (U, A)},
    ),
    "sam-stream": (
        {
            "template.yaml": "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Events:\n        D:\n          Type: DynamoDB\n          Properties:\n            Stream: arn:aws:dynamodb:us-east-1:1:table/x/stream/y\n            StartingPosition: LATEST\n"
        },
        {"aws/lambda": (U, PL)},
    ),
    "py-moto-in-src": (
        {"src/conftest.py": 'import boto3\nboto3.client("dynamodb")\n'},
        {"aws/dynamodb": ("example_only", [])},
    ),
    "js-ioredis-mock": (
        {"package.json": '{"devDependencies":{"ioredis-mock":"1"}}', "src/a.ts": "export const a=1;\n"},
        {"redis": ("example_only", [])},
    ),
    "go-vendor": (
        {
            "go.mod": "module x\n",
            "vendor/github.com/aws/aws-sdk-go/service/dynamodb/api.go": 'package dynamodb\nimport "github.com/aws/aws-sdk-go/service/s3"\nvar x = s3.New\n',
            "main.go": "package main\n",
        },
        {"aws/s3": ("not_present", []), "aws/dynamodb": ("not_present", [])},
    ),
    "java-spring": (
        {
            "pom.xml": "<project><dependencies><dependency><groupId>io.awspring.cloud</groupId><artifactId>spring-cloud-aws-starter-sqs</artifactId></dependency></dependencies></project>",
            "src/main/java/com/acme/L.java": 'package com.acme;\nimport io.awspring.cloud.sqs.annotation.SqsListener;\nclass L { @SqsListener("q") void on(String s) {} }\n',
        },
        {"aws/sqs": (U, A)},
    ),
    "java-redis-template": (
        {
            "src/main/java/A.java": "import org.springframework.data.redis.core.StringRedisTemplate;\nclass A { private final StringRedisTemplate t; A(StringRedisTemplate t) { this.t = t; } }\n"
        },
        {"redis": (U, A)},
    ),
    "java-test-only": (
        {
            "src/test/java/A.java": "import software.amazon.awssdk.services.s3.S3Client;\nclass A { S3Client c = S3Client.create(); }\n"
        },
        {"aws/s3": ("example_only", [])},
    ),
    "ts-namespace-import": (
        {"a.ts": 'import * as ddb from "@aws-sdk/client-dynamodb";\nconst c = new ddb.DynamoDBClient({});\n'},
        {"aws/dynamodb": (U, A)},
    ),
    "ts-only-types-ns": (
        {"a.ts": 'import type * as ddb from "@aws-sdk/client-dynamodb";\nexport type C = ddb.DynamoDBClient;\n'},
        {"aws/dynamodb": ("declared_unused", [])},
    ),
    "jsdoc-import": (
        {"a.js": '/** @type {import("@aws-sdk/client-s3").S3Client} */\nmodule.exports = null;\n'},
        {"aws/s3": ("docs_only", [])},
    ),
    "py-all-export": (
        {"pkg/__init__.py": 'from redis import Redis\n__all__ = ["Redis"]\n', "setup.py": "x=1\n"},
        {"redis": (U, A)},
    ),
    "aws-lambda-types": (
        {
            "package.json": '{"devDependencies":{"@types/aws-lambda":"8"}}',
            "h.ts": 'import type { APIGatewayProxyHandler } from "aws-lambda";\nexport const h: APIGatewayProxyHandler = async () => ({ statusCode: 200, body: "" });\n',
        },
        {"aws/lambda": ("not_present", [])},
    ),
    "crossplane": (
        {
            "t.yaml": "apiVersion: dynamodb.aws.upbound.io/v1beta1\nkind: Table\nmetadata:\n  name: x\nspec:\n  forProvider:\n    hashKey: id\n"
        },
        {"aws/dynamodb": (U, PL)},
    ),
    "argo-helm-values": (
        {"values.yaml": 'redis:\n  enabled: true\n  image:\n    repository: bitnami/redis\n    tag: "7"\n'},
        {"redis": (U, PL)},
    ),
    "env-example-names": ({".env.local.example": "OPENAI_API_KEY=\n"}, {"openai": ("example_only", [])}),
    "readme-and-comment-and-lock": (
        {"README.md": "no DynamoDB", "package-lock.json": '{"packages":{"node_modules/@aws-sdk/client-dynamodb":{}}}'},
        {"aws/dynamodb": ("docs_only", [])},
    ),
    "wf-upload-artifact": (
        {
            ".github/workflows/a.yml": 'on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo "aws dynamodb scan" # aws sqs list-queues\n'
        },
        {"aws/dynamodb": ("not_present", [])},
    ),
    "gh-script-py-import": (
        {
            ".github/workflows/a.yml": "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: python -m scripts.seed\n",
            "scripts/seed.py": 'import boto3\nboto3.client("dynamodb").put_item(TableName="x", Item={})\n',
        },
        {"aws/dynamodb": (U, D)},
    ),
    "npm-script-in-wf": (
        {
            ".github/workflows/a.yml": "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: npm run deploy\n",
            "package.json": '{"scripts":{"deploy":"node scripts/deploy.js"}}',
            "scripts/deploy.js": 'const { S3Client } = require("@aws-sdk/client-s3");\nnew S3Client({});\n',
        },
        {"aws/s3": (U, D)},
    ),
    "cdk-lock-import": (
        {
            "a.ts": 'import { Table } from "aws-cdk-lib/aws-dynamodb";\nconst t = Table.fromTableName(this, "x", "orders");\n'
        },
        {"aws/dynamodb": (U, PL)},
    ),
    "kafka-msk": ({"m.tf": 'resource "aws_msk_cluster" "m" {\n}\n'}, {"aws/kafka": (U, PL)}),
    "opentofu": ({"main.tofu": S3B}, {"aws/dynamodb": (U, T)}),
    "python-bootstrap-both": (
        {
            "infra/setup_backend.py": 'import boto3\n\ns3 = boto3.client("s3")\nddb = boto3.client("dynamodb")\ns3.create_bucket(Bucket="acme-state")\ns3.put_bucket_versioning(Bucket="acme-state", VersioningConfiguration={"Status": "Enabled"})\nddb.create_table(TableName="locks", KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}], AttributeDefinitions=[], BillingMode="PAY_PER_REQUEST")\n'
        },
        {"aws/dynamodb": (U, T), "aws/s3": (U, T)},
    ),
    "js-writes-backend": (
        {
            "gen.js": 'const fs = require("fs");\nfs.writeFileSync("backend.tf", `terraform {\n  backend "s3" {\n    bucket = "b"\n    dynamodb_table = "${t}"\n  }\n}`);\n'
        },
        {"aws/dynamodb": (U, T), "aws/s3": (U, T)},
    ),
    "py-runs-init": (
        {"tf.py": 'import subprocess\nsubprocess.run(["terraform", "init", "-backend-config=dynamodb_table=locks"])\n'},
        {"aws/dynamodb": (U, T)},
    ),
    "py-string-table": ({"a.py": 'x = "dynamodb_table"\n'}, {"aws/dynamodb": ("not_present", [])}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_shape_gets_its_verdict(name: str, tmp_path: Path):
    files, expected = SHAPES[name]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = review(tmp_path, tuple(known_service(s) for s in expected))
    for service, (status, users) in expected.items():
        verdict = found.service(known_service(service))
        assert verdict is not None
        proof = [(e.user, e.role, f"{e.file}:{e.line}") for e in verdict.evidence]
        assert (verdict.status, [u.value for u in verdict.users]) == (status, users), (service, proof)
