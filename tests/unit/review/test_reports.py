"""The forms of a report: their fixed names, their schemas, and that nothing of a repository can break out of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from lockhouse.review.model import Review
from lockhouse.review.reports import as_json, ask, html, markdown, pictures, sarif, terminal
from lockhouse.review.review import review
from lockhouse.review.rules import Violation

from .fixtures import FOLDER

DOCS = Path(__file__).resolve().parents[3] / "docs" / "reference"
SCHEMAS = Path(__file__).resolve().parent / "schemas"


@pytest.fixture(scope="module")
def found() -> Review:
    return review(FOLDER / "origin-shape" / "repo", ("aws/dynamodb",))


def test_the_json_has_the_fixed_names(found: Review):
    document = json.loads(as_json.render(found))
    assert document["schema"] == "lockhouse.review/1"
    assert {"root", "commit", "services", "findings", "searched"} <= set(document)
    assert document["services"][0]["service"] == "aws/dynamodb"
    for service in document["services"]:
        assert {
            "service",
            "name",
            "users",
            "status",
            "certainty",
            "purpose",
            "evidence",
            "permissions",
            "cost",
            "removable",
        } <= set(service)
        for item in service["evidence"]:
            assert {"user", "role", "file", "line", "column", "snippet", "rule", "component", "link"} <= set(item)


@pytest.mark.parametrize("fixture", sorted(p.parent.name for p in FOLDER.glob("*/expected.toml")))
def test_the_json_keeps_its_documented_schema(fixture: str):
    schema = json.loads((DOCS / "review-schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(as_json.render(review(FOLDER / fixture / "repo", ("aws/dynamodb", "stripe"))))
    jsonschema.validate(document, schema)


def test_an_asked_for_service_appears_even_when_it_is_not_there():
    document = json.loads(as_json.render(review(FOLDER / "docs-only" / "repo", ("aws/kinesis",))))
    assert document["services"][0] | {"evidence": []} == document["services"][0]
    assert document["services"][0]["status"] == "not_present"
    assert document["services"][0]["users"] == []


def test_sarif_keeps_the_oasis_schema():
    schema = json.loads((SCHEMAS / "sarif-2.1.0.json").read_text())
    for fixture in ("findings-of-all-kinds", "table-names-differ", "dynamic-client", "third-parties"):
        found = review(FOLDER / fixture / "repo")
        document = json.loads(
            sarif.render(found, (Violation("forbid", "x is forbidden", "x", "application", "a b.ts", 3),))
        )
        jsonschema.validate(document, schema)
        known = {r["id"] for r in document["runs"][0]["tool"]["driver"]["rules"]}
        assert {r["ruleId"] for r in document["runs"][0]["results"]} <= known


def test_the_page_loads_nothing_and_runs_nothing(found: Review):
    page = html.render(found)
    assert not re.search(r"<script|<link|<img|<iframe|@import|\burl\(|<[^>]*\son\w+=", page, re.IGNORECASE)
    assert "default-src 'none'" in page


def test_names_from_the_repository_are_escaped_in_every_form(tmp_path: Path):
    name = '<img src=x onerror=alert(1)>"]; evil.py'
    (tmp_path / name).write_text('import boto3\nc = boto3.client("sqs")  # <script>alert(1)</script>\n')
    found = review(tmp_path)
    assert found.service("aws/sqs") is not None
    page = html.render(found)
    assert "<img" not in page
    assert "<script" not in page
    ET.fromstring(pictures.svg_lanes(found))
    assert "<img" not in markdown.render(found).replace("`", "") or "`<img" in markdown.render(found)


def test_control_characters_in_names_never_reach_the_terminal(tmp_path: Path):
    (tmp_path / "a\x1b[2Jb\n.py").write_text('import boto3\nboto3.client("sqs")  # \x1b[31mred\x07\n')
    text = terminal.render(review(tmp_path))
    assert "\x1b" not in text
    assert "\\x1b" in text


def test_the_pictures_show_the_three_lanes(found: Review):
    lanes = pictures.mermaid_lanes(found)
    assert lanes.count("subgraph") == 3
    assert "Application" in lanes
    assert "Terraform tooling" in lanes
    svg = ET.fromstring(pictures.svg_lanes(found))
    assert "DynamoDB" in "".join(svg.itertext())
    ET.fromstring(pictures.svg_costs(list(found.services)))
    assert "classla-terraform-locks" in pictures.mermaid_sequence(found)


def test_the_answer_for_one_service_says_everything_that_the_handwritten_document_says(found: Review):
    text = ask.render(found, found.services[0])
    for heading in (
        "Where it is used",
        "What it does not touch",
        "Permissions",
        "Cost",
        "Can it be deleted?",
        "Alternatives",
        "Questions",
        "Check it by hand",
    ):
        assert heading in text
    assert "used only by Terraform tooling" in text
    assert "`infrastructure/terraform/backend.tf:8`" in text
    assert "below one cent" in text.lower()
    assert text.index("use_lockfile = true") < text.index("Remove `dynamodb_table`") < text.index("Delete the table")


def test_the_verdict_comes_first(found: Review):
    assert terminal.render(found).startswith("DynamoDB is used only by Terraform tooling")
    assert (
        ask.render(found, found.services[0]).split("\n")[2].startswith("**DynamoDB is used only by Terraform tooling")
    )
