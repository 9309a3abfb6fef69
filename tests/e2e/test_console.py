"""The console in real Chromium: without scripts, in both themes, and nothing that the browser complains about."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from lockhouse.clients.client import Client
from tests.e2e.browser import Visitor
from tests.e2e.clouds import Lockhouse
from tests.unit.console.test_pages import HOSTILE, hostile_review
from tests.unit.protocols.api.test_reviews import review, service


def send(server: Lockhouse, document: object) -> str:
    """As `lockhouse review --send` does; answers the address of the page."""
    answer = httpx.post(
        f"{server.endpoint}/lockhouse/v1/reviews", json=document, headers={"authorization": f"Bearer {server.token}"}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["url"]


def test_a_review_is_read_from_sign_in_to_sign_out_without_a_script(lockhouse: Lockhouse, chromium: Browser):
    send(lockhouse, review(service(), root="/src/walk"))
    finding = {"rule": "wildcard", "level": "warning", "message": "too wide a grant", "file": "iam.tf", "line": 12}
    address = send(lockhouse, review(service(), service("aws/s3"), root="/src/walk", findings=[finding]))
    visitor = Visitor(chromium, lockhouse, java_script_enabled=False)
    page = visitor.page
    page.goto(address)
    expect(page).to_have_url(f"{lockhouse.endpoint}/console/sign-in?next={address}")
    visitor.sign_in()
    expect(page).to_have_url(f"{lockhouse.endpoint}{address}")
    cookie = visitor.context.cookies()[0]
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == ("lockhouse", True, "Lax", "/")
    expect(page.get_by_text("AWS/S3 aws/s3: new: used")).to_be_visible()
    expect(page.get_by_text("too wide a grant")).to_be_visible()
    place = page.get_by_text("infra/main.tf:7").first
    expect(place).not_to_be_visible()
    page.locator("summary").first.click()
    expect(place).to_be_visible()
    page.get_by_role("link", name="History").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Lock traffic").click()
    expect(page.get_by_role("heading", name="Who locks through what")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API token")).to_be_visible()
    page.goto("/console/reviews")
    expect(page.get_by_label("API token")).to_be_visible()
    page.goto("/")
    expect(page.get_by_label("API token")).to_be_visible()
    assert visitor.complaints == []


def test_the_review_command_sends_a_repository_and_says_where_to_read_it(
    lockhouse: Lockhouse, chromium: Browser, tmp_path: Path
):
    backend = 'terraform {\n  backend "s3" {\n    bucket         = "b"\n    dynamodb_table = "locks"\n  }\n}\n'
    (tmp_path / "main.tf").write_text(backend)
    sent = lockhouse.command("review", str(tmp_path), "--send").ok()
    address = re.search(r"Sent: (\S+)", sent.stderr)
    assert address is not None, sent.report()
    visitor = Visitor(chromium, lockhouse, java_script_enabled=False)
    visitor.page.goto(address[1])
    visitor.sign_in()
    expect(visitor.page).to_have_url(address[1])
    expect(visitor.page.get_by_role("heading", name="Terraform's own tooling")).to_be_visible()
    visitor.page.locator("summary", has_text="DynamoDB").click()
    expect(visitor.page.get_by_text("main.tf:4").first).to_be_visible()
    assert visitor.complaints == []


def test_a_hostile_review_runs_nothing(lockhouse: Lockhouse, chromium: Browser):
    address = send(lockhouse, hostile_review(HOSTILE))
    visitor = Visitor(chromium, lockhouse)
    dialogs: list[str] = []
    visitor.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    visitor.page.goto(address)
    visitor.sign_in()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("<script>alert(1)</script>")
    assert visitor.page.locator("script, img, style, iframe, object").count() == 0
    assert dialogs == []
    assert visitor.complaints == []


def test_the_page_says_who_locked_through_the_table(lockhouse: Lockhouse, chromium: Browser):
    place = lockhouse.cloud.new_place("console")
    info = {"ID": "one", "Operation": "OperationTypeApply", "Who": "bob@ci", "Version": "1.9.8"}
    lockhouse.cloud.sdk("dynamodb").put_item(
        TableName=place.table,
        Item={"LockID": {"S": f"{place.bucket}/app.tfstate"}, "Info": {"S": json.dumps(info)}},
        ConditionExpression="attribute_not_exists(LockID)",
    )
    visitor = Visitor(chromium, lockhouse)
    visitor.page.goto("/console/traffic")
    visitor.sign_in()
    row = visitor.page.locator("tr", has_text=place.bucket)
    for text in ("DynamoDB table", "administrator", "bob@ci", "1.9.8"):
        expect(row).to_contain_text(text)
    assert visitor.complaints == []
    client = Client(lockhouse.endpoint, lockhouse.token)
    (told,) = [each for each in client.traffic_locks().clients if each.namespace == place.bucket]
    client.close()
    assert (told.name, told.who, told.facet, told.locks, told.states) == ("administrator", "bob@ci", "table", 1, 1)
    assert list(told.versions) == ["1.9.8"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_can_be_read_by_everybody(lockhouse: Lockhouse, chromium: Browser, theme: str, width: int):
    finding = {"rule": "r", "level": "warning", "message": "m", "file": "f.tf", "line": 1}
    violation = {"rule": "forbid", "message": "no", "file": "f.tf", "line": 1}
    error = finding | {"level": "error"}
    root = f"/src/{theme}/{width}"
    unknown = service("aws/sqs", "unknown", ())
    more = {"findings": [finding, error], "violations": [violation]}
    address = send(lockhouse, review(service(), unknown, root=root, **more))
    visitor = Visitor(chromium, lockhouse, color_scheme=theme, viewport={"width": width, "height": 800})
    page = visitor.page
    axe = Axe()
    page.goto("/console/sign-in")
    found = {"sign-in": axe.run(page).response["violations"]}
    visitor.sign_in()
    for path in (
        "/console/reviews",
        f"/console/reviews?root={root}",
        address,
        "/console/traffic",
        "/console/reviews/nothing",
    ):
        page.goto(path)
        for details in page.locator("summary").all():
            details.click()
        found[path] = axe.run(page).response["violations"]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    problems = {path: [(each["id"], each["nodes"][0]["html"]) for each in all_] for path, all_ in found.items() if all_}
    assert problems == {}
