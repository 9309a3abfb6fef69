"""A document about a service is checked against the repository: paths, snippets, mentions, absence, cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockhouse.review import cost, documents
from lockhouse.review.model import Finding
from lockhouse.review.review import review

from .fixtures import FOLDER

REPO = FOLDER / "origin-shape" / "repo"
DOCUMENT = (Path(__file__).parent / "documents" / "clarification.md").read_text()


def checked(text: str, repo: Path = REPO) -> tuple[Finding, ...]:
    return documents.check(
        text, "DOC.md", review(repo, ("aws/dynamodb",)), repo, ("aws/dynamodb",), cost.shipped_prices()
    )


@pytest.fixture(scope="module")
def wrong() -> tuple[Finding, ...]:
    return checked(DOCUMENT)


def test_paths_that_do_not_exist_are_named_with_the_likely_one(wrong: tuple[Finding, ...]):
    found = {f.message.split()[0]: f.hint for f in wrong if f.rule == "doc.path_missing"}
    assert "bootstrap.sh" in found["infrastructure/scripts/init-terraform.sh"]
    assert "database.ts" in found["classla-backend/src/db.ts"]
    assert "infrastructure/terraform/backend.tf" not in found
    assert "DEPLOYMENT.md" not in found


def test_mentions_that_the_document_leaves_out_are_listed(wrong: tuple[Finding, ...]):
    missing = {f.message.split(":")[0] for f in wrong if f.rule == "doc.mention_missing"}
    assert {".github/workflows/infra.yml", "infrastructure/iam/ci-policy.json"} <= missing
    assert "infrastructure/docs/SETUP.md" not in missing


def test_a_cost_that_does_not_follow_from_its_own_numbers_is_wrong(wrong: tuple[Finding, ...]):
    costs = [f for f in wrong if f.rule == "doc.cost_wrong"]
    assert costs
    assert all("$0.0003" in f.message for f in costs)
    assert any(f.rule == "doc.price_old" for f in wrong)


def test_a_correct_document_holds():
    text = (
        "# DynamoDB\n\nDynamoDB is ONLY used for Terraform state locking. It is NOT used by your application.\n\n"
        '`infrastructure/terraform/backend.tf`\n\n```hcl\ndynamodb_table = "classla-terraform-locks"  ← HERE\n```\n'
    )
    assert checked(text) == ()


def test_a_snippet_that_is_not_in_its_file_is_found():
    text = '# DynamoDB\n\n### `infrastructure/terraform/backend.tf`\n\n```hcl\ndynamodb_table = "another"\n```\n'
    assert [f.rule for f in checked(text)] == ["doc.snippet_differs"]


def test_a_claim_of_absence_that_the_code_contradicts_is_false(tmp_path: Path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text('import boto3\nboto3.client("dynamodb").list_tables()\n')
    text = '# DynamoDB\n\nIt is NOT used by your application.\n\n```bash\ngrep -r "dynamodb\\|DynamoDB" src/\n# Should return: No matches found\n```\n'
    assert {"doc.claim_false", "doc.absence_false"} <= {f.rule for f in checked(text, tmp_path)}


def test_a_claim_is_unproven_where_the_review_is_unknown(tmp_path: Path):
    (tmp_path / "a.py").write_text("import boto3, sys\nboto3.client(sys.argv[1])\n")
    assert "doc.claim_unproven" in {
        f.rule for f in checked("# DynamoDB\n\nIt is NOT used by your application.\n", tmp_path)
    }


def test_a_service_the_application_is_said_to_use_must_be_used():
    text = "# DynamoDB\n\n## What Your Application Actually Uses\n\n### Payments: Stripe\n\n### Database: Supabase (PostgreSQL)\n"
    assert [f.message for f in checked(text) if f.rule == "doc.claim_false"] == [
        "says the application uses Stripe, but it is not present"
    ]


def test_a_command_in_the_document_is_never_run(tmp_path: Path):
    witness = tmp_path / "witness"
    (tmp_path / "a.py").write_text("x = 1\n")
    checked(
        f'# DynamoDB\n\n```bash\ntouch {witness}; grep -r "$(touch {witness})" .\n# Should return: No matches found\n```\n',
        tmp_path,
    )
    assert not witness.exists()
