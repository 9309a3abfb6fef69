"""The reference says everything that the review can say."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

from lockhouse.review import command, documents, findings
from lockhouse.review.model import Role, Status, User

from .fixtures import cases

DOCS = Path(__file__).resolve().parents[3] / "docs"
REFERENCE = (DOCS / "reference" / "review.md").read_text()
SCHEMA = json.loads((DOCS / "reference" / "review-schema.json").read_text())


def test_every_user_status_and_role_is_in_the_reference_and_the_schema():
    for word in [*Status, *Role]:
        assert f"`{word.value}`" in REFERENCE, word
    service, evidence = SCHEMA["$defs"]["service"]["properties"], SCHEMA["$defs"]["evidence"]["properties"]
    assert set(service["status"]["enum"]) == {s.value for s in Status}
    assert set(service["users"]["items"]["enum"]) == {u.value for u in User}
    assert set(evidence["role"]["enum"]) == {r.value for r in Role}


def test_every_finding_is_in_the_reference_with_its_level():
    for rule, (level, _) in findings.RULES.items():
        assert f"| `{rule}` | {level} |" in REFERENCE, rule
    for rule in documents.RULES:
        assert f"`{rule}`" in REFERENCE, rule


def test_every_option_and_format_is_in_the_reference():
    for parameter in inspect.signature(command.review_command, eval_str=True).parameters.values():
        for metadata in getattr(parameter.annotation, "__metadata__", ()):
            for option in metadata.param_decls or ():
                assert f"`{option}" in REFERENCE or f"`{option}`" in REFERENCE, option
    for form in command.Format:
        assert f"`{form.value}`" in REFERENCE, form


def test_the_published_figures_are_of_the_fixtures_there_are():
    text = (DOCS / "reference" / "review-figures.md").read_text()
    match = re.search(r"(\d+) repositories, (\d+) mutations, (\d+) verdicts", text)
    assert match is not None
    plain = [c for c in cases() if not c.mutation]
    changed = [c for c in cases() if c.mutation]
    assert [int(n) for n in match.groups()] == [len(plain), len(changed), sum(len(c.expected) for c in cases())]
