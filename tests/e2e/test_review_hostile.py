"""A hostile repository: links in circles, huge and binary files, deep nesting, evil names, broken syntax everywhere."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockhouse.review.model import Status
from lockhouse.review.reports import as_json, terminal
from lockhouse.review.review import review
from lockhouse.review.scan import scan_file

SUFFIXES = (
    "ts",
    "tsx",
    "js",
    "py",
    "go",
    "java",
    "rb",
    "tf",
    "hcl",
    "yaml",
    "json",
    "sh",
    "toml",
    "md",
    "vue",
    "ipynb",
    "kt",
    "cs",
    "rs",
    "php",
    "xml",
    "prisma",
    "tfvars",
    "env",
)
BROKEN = (
    'import { DynamoDBClient from "@aws-sdk/client-dynamodb\nresource "aws_dynamodb_table" "x" {{{ <<EOF\n((((\nboto3.client("dynamodb"\n'
    'AWS::DynamoDB::Table\n"Statement": [{{{\n- - - : : {{ .Values }}\n\x00\xff redis:// postgres://\n'
)


def put(root: Path, name: str, data: bytes | str) -> None:
    target = root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape"))


def test_links_devices_and_unreadable_files_are_left_out_and_named(tmp_path: Path):
    put(tmp_path, "a.py", "import boto3\nboto3.client('sqs')\n")
    secret = tmp_path.parent / "outside.py"
    secret.write_text("import stripe\nstripe.Charge.create()\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "outside.py").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe.py")
    started = time.monotonic()
    found = review(tmp_path, ("stripe",))
    assert time.monotonic() - started < 20
    assert found.services[0].status is Status.NOT_PRESENT
    reasons = dict(found.skipped)
    assert reasons["outside.py"] == "a symbolic link"
    assert reasons["pipe.py"] == "not a regular file"


def test_huge_files_are_not_read(tmp_path: Path):
    put(tmp_path, "a.py", "import boto3\nboto3.client('sqs')\n")
    with (tmp_path / "one-line.json").open("wb") as stream:
        stream.write(b'{"Statement": "')
        for _ in range(100):
            stream.write(b"dynamodb:GetItem " * 62_000)
        stream.write(b'"}')
    put(tmp_path, "bundle.js", b'var a="@aws-sdk/client-dynamodb";' * 30_000)
    started = time.monotonic()
    found = review(tmp_path)
    assert time.monotonic() - started < 20
    reasons = dict(found.skipped)
    assert "larger than" in reasons["one-line.json"]
    assert "line longer" in reasons["bundle.js"]
    assert [s.service for s in found.services] == ["aws/sqs"]


def test_broken_syntax_in_every_language_is_survived(tmp_path: Path):
    for suffix in SUFFIXES:
        put(tmp_path, f"src/broken.{suffix}", BROKEN)
        put(tmp_path, f"src/half.{suffix}", BROKEN.split("\x00", maxsplit=1)[0])
    for name in ("Dockerfile", "Makefile", "package.json", "pyproject.toml", "go.mod", "pom.xml", "Gemfile", "package-lock.json", "serverless.yml",
                 "template.yaml", "docker-compose.yml", ".github/workflows/a.yml", ".gitlab-ci.yml", "Pulumi.yaml", "x.tf.json", "poetry.lock"):  # fmt: skip
        put(tmp_path, name, BROKEN.split("\x00", maxsplit=1)[0])
    found = review(tmp_path, ("aws/dynamodb",))
    json.loads(as_json.render(found))
    assert not [reason for _, reason in found.skipped if "could not be analysed" in reason or "crashed" in reason]


def test_deep_nesting_in_every_format_is_survived(tmp_path: Path):
    deep = 20_000
    put(tmp_path, "a.json", '{"Statement":' + "[" * deep + '"dynamodb:*"' + "]" * deep + "}")
    put(tmp_path, "a.yaml", "aws: " + "[" * deep + "AWS::S3::Bucket" + "]" * deep)
    put(tmp_path, "b.yaml", "".join(" " * i + f"aws{i}:\n" for i in range(400)))
    put(tmp_path, "a.tf", 'resource "aws_sqs_queue" "q" {\n x = ' + "[" * deep + "]" * deep + "\n}\n")
    put(tmp_path, "a.py", "import boto3\nx = " + "(" * deep + "boto3.client('sqs')" + ")" * deep)
    put(
        tmp_path,
        "a.ts",
        'import { SQSClient } from "@aws-sdk/client-sqs";\nconst x = ' + "(" * deep + "new SQSClient({})" + ")" * deep,
    )
    put(
        tmp_path,
        "bomb.yml",
        "aws: &a [x,x]\n"
        + "".join(
            f"a{i}: &b{i} [*{'a' if not i else f'b{i - 1}'},*{'a' if not i else f'b{i - 1}'}]\n" for i in range(40)
        ),
    )
    folder = tmp_path
    for _ in range(120):
        folder = folder / "d"
    folder.mkdir(parents=True)
    (folder / "x.py").write_text("import boto3\n")
    started = time.monotonic()
    review(tmp_path, ("aws/dynamodb",))
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "name",
    [
        "-rf.py",
        "a\nb.py",
        "a\x1b[2J.py",
        "\udcff.py",
        "$(touch x).py",
        "`id`.py",
        "a;b|c.py",
        "\u202egpj.py",
        "%s%n.py",
        "con.py",
        " .py",
    ],
)
def test_evil_names_are_read_and_shown_harmlessly(name: str, tmp_path: Path):
    (tmp_path / os.fsdecode(name.encode("utf-8", "surrogateescape"))).write_text("import boto3\nboto3.client('sqs')\n")
    found = review(tmp_path)
    assert found.services[0].service == "aws/sqs"
    for text in (as_json.render(found), terminal.render(found)):
        text.encode("utf-8")
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert not (tmp_path / "x").exists()


def test_a_review_opens_no_socket_and_starts_nothing_but_git(tmp_path: Path):
    put(tmp_path, "setup.py", "import os\nos.system('touch ran')\nimport boto3\nboto3.client('sqs')\n")
    put(tmp_path, "conftest.py", "open('ran', 'w')\n")
    program = (
        "import sys, pathlib\n"
        "seen = []\n"
        "def hook(event, arguments):\n"
        "    if event.startswith('socket.connect') or event == 'socket.getaddrinfo': seen.append(event)\n"
        "    if event == 'subprocess.Popen' and arguments[0] != 'git': seen.append(str(arguments[0]))\n"
        "    if event in ('os.system', 'exec') and event == 'os.system': seen.append(event)\n"
        "sys.addaudithook(hook)\n"
        "from lockhouse.review.review import review\n"
        "review(pathlib.Path(sys.argv[1]))\n"
        "print(seen)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "[]"
    assert not (tmp_path / "ran").exists()


def test_files_bent_in_random_places_are_survived(tmp_path: Path):
    chance = random.Random(7)
    fixtures = Path(__file__).resolve().parents[1] / "review_fixtures"
    files = sorted(p for p in fixtures.rglob("*") if p.is_file() and "repo" in p.relative_to(fixtures).parts)
    pieces = [
        b"{",
        b"}",
        b'"',
        b"'",
        b"(",
        b"[",
        b"\n",
        b"\\",
        b"${",
        b"<<EOF\n",
        b": ",
        b"- ",
        b"#",
        b"\xff",
        b"/*",
        b"`",
        b"\t",
        b"",
    ]
    problems = []
    for number in range(600):
        source = chance.choice(files)
        data = bytearray(source.read_bytes())
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(data) + 1)
            data[place : place + chance.randint(0, 12)] = chance.choice(pieces)
        parts = source.relative_to(fixtures).parts
        name = "/".join(parts[2:])
        put(tmp_path, name, bytes(data))
        found = scan_file(tmp_path, name)
        if "analysed" in found.problem:
            problems.append((number, name, found.problem))
        (tmp_path / name).unlink()
    assert problems == []
