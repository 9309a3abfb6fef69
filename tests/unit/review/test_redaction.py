"""What may be shown of a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockhouse.review.redaction import LIMIT, redact

SECRETS = [
    ("aws_access_key_id = AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    ('key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"', "wJalrXUtnFEMI"),
    ("stripe.api_key = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc'", "sk_live_4eC39"),
    ("DATABASE_URL=postgres://admin:hunter2@db/app", "hunter2"),
    ('redis.from_url("rediss://:p4ss@host:6379/0")', "p4ss"),
    ('password: "correct horse"', "correct horse"),
    ("const token = `abcdef`;", "abcdef"),
    ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "eyJhbGciOiJIUzI1NiJ9"),
    ("OPENAI_API_KEY=sk-proj-abcdefghijklmnop", "sk-proj-abc"),
    ("GITHUB_TOKEN=ghp_0123456789abcdefghij", "ghp_0123"),
    ("SENTRY_DSN=https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/1", "0123456789abcdef"),
    ('"private_key": "-----BEGIN PRIVATE KEY-----MIIE"', "MIIE"),
]


@pytest.mark.parametrize(("line", "secret"), SECRETS)
def test_a_secret_value_is_hidden(line: str, secret: str):
    assert secret not in redact(line)
    assert "[hidden]" in redact(line)


@pytest.mark.parametrize(
    "line",
    ['dynamodb_table = "classla-terraform-locks"', "key = process.env.STRIPE_SECRET_KEY", 'import { S3Client } from "@aws-sdk/client-s3";',
     "api_key = os.environ['X']", 'hash_key = "LockID"', "token = var.token"],
)  # fmt: skip
def test_what_is_no_secret_stays_readable(line: str):
    assert redact(line) == line


@given(st.text(max_size=2000))
def test_a_snippet_is_one_short_line_without_control_characters(text: str):
    shown = redact(text)
    assert len(shown) <= LIMIT
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    shown.encode("utf-8")
