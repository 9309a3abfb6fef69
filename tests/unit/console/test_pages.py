"""What the pages show: reviews, their history and differences, lock traffic; and nothing of it unescaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lockhouse.console import pages
from lockhouse.console.app import Console
from tests.unit.console.browser import Browser
from tests.unit.protocols.api.desk import NAMESPACE, Desk
from tests.unit.protocols.api.test_reviews import review, send, service

TEMPLATES = Path(pages.__file__).with_name("templates")
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'&{{7*7}}{% raw %}"
TURNING = "main\u202efdp.tf\x00\u200b"


def hostile_review(text: str) -> dict[str, object]:
    """A review whose every free text is this one."""
    place = {"file": text, "line": 3}
    one = service() | {
        "name": text, "purpose": text, "because": text, "certainty": text,
        "evidence": [
            {"user": "tooling", "role": text, **place, "column": 1, "snippet": text, "rule": text, "component": text, "link": text}
        ],
        "permissions": {"needed": [text], "granted": [text], "missing": [text], "excessive": [text], "note": text},
        "cost": {
            "monthly_usd": 1.0, "text": text, "as_of": text, "warning": text, "assumptions": [text],
            "lines": [{"what": text, "quantity": text, "price": text, "monthly_usd": 1.0}],
        },
        "removable": {"answer": text, "reason": text, "steps": [text], "places": [{**place, "what": text}]},
    }  # fmt: skip
    return review(
        one,
        root=text,
        commit=text[:200],
        findings=[{"rule": text, "level": "error", "message": text, **place, "service": text, "hint": text}],
        violations=[{"rule": text, "message": text, "service": text, "user": text, **place}],
        unknowns=[{"scope": text, **place, "rule": text, "reason": text, "snippet": text}],
        skipped=[{"file": text, "reason": text}],
    )


class Elements(HTMLParser):
    """Every element of a page, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.found.append((tag, dict(attrs)))


ALLOWED = set(
    re.findall(
        r"\w+",
        "html head meta title link body header nav a form input span button main h1 h2 p div table thead tbody tr th td code "
        "bdi small time ul ol li details summary dl dt dd strong br label",
    )
)


@pytest.fixture
def signed_in(browser: Browser) -> Browser:
    browser.sign_in()
    return browser


def all_pages(browser: Browser, sent: str) -> list[str]:
    listed = browser.get("/console/reviews").text
    history = re.search(r'href="(/console/reviews\?root=[^"]+)"', listed).group(1).partition("?")
    return [
        listed,
        browser.get(history[0], history[2]).text,
        browser.get(f"/console/reviews/{sent}").text,
        browser.get("/console/traffic").text,
    ]


def test_nothing_hostile_becomes_an_element_or_an_attribute(desk: Desk, signed_in: Browser):
    send(desk, hostile_review(HOSTILE) | {"services": []})
    sent = send(desk, hostile_review(HOSTILE))
    desk.lock(f"{HOSTILE}/app.tfstate", version=HOSTILE)
    texts = all_pages(signed_in, sent)
    for text in texts:
        for tag, attributes in Elements(text).found:
            assert tag in ALLOWED, tag
            assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")]
            assert not (attributes.get("href") or "").startswith(("javascript", "data", "http", "//"))
        assert "<script" not in text
    assert texts[2].count("&lt;script&gt;") > 20


def test_characters_that_hide_or_turn_text_are_shown_as_codes(desk: Desk, signed_in: Browser):
    sent = send(desk, hostile_review(TURNING))
    for text in all_pages(signed_in, sent)[:3]:
        assert not set("\u202e\x00\u200b") & set(text)
        assert r"main\u{202e}fdp.tf\u{0}\u{200b}" in text


def test_a_template_has_no_script_no_style_and_nothing_marked_safe():
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text()
        assert not re.search(r"<script|<style|style=|\son\w+=|\|\s*safe|autoescape|https?:", text), template.name


def test_every_page_has_a_template_and_every_template_a_page():
    named = {*pages._NAMES.values(), "frame.html", "parts.html"}
    assert {template.name for template in TEMPLATES.glob("*.html")} == named


def test_an_empty_list_teaches_how_to_send_a_review(signed_in: Browser):
    assert "lockhouse review . --send" in signed_in.get("/console/reviews").words


def test_the_list_shows_the_newest_review_of_each_root_with_its_verdicts(desk: Desk, signed_in: Browser):
    send(desk, review(service(), root="/src/one"))
    newest = send(desk, review(service(), service("aws/s3"), service("aws/sqs", "docs_only", ()), root="/src/one"))
    send(desk, review(root="/src/two", violations=[{"rule": "forbid", "message": "m"}]))
    page = signed_in.get("/console/reviews")
    assert page.text.count(f"/console/reviews/{newest}") == 1
    assert "2 used" in page.words
    assert "1 documents only" in page.words
    assert "1 rules violated" in page.words
    history = signed_in.get("/console/reviews", "root=%2Fsrc%2Fone")
    assert history.text.count("<tr>") == 3
    assert "/src/two" not in history.text


def test_a_long_list_goes_on_on_the_next_page(desk: Desk, signed_in: Browser):
    for number in range(51):
        send(desk, review(root=f"/src/{number}"))
    first = signed_in.get("/console/reviews")
    assert first.text.count('">history</a>') == 50
    more = re.search(r'href="/console/reviews\?(before=\d+)">Older', first.text).group(1)
    second = signed_in.get("/console/reviews", more)
    assert second.text.count('">history</a>') == 1
    assert "Older" not in second.words


def test_a_review_is_grouped_by_user_with_its_evidence_cost_and_findings(desk: Desk, signed_in: Browser):
    finding = {"rule": "wildcard", "level": "warning", "message": "too wide", "file": "iam.tf", "line": 12}
    used = service(users=("application", "tooling")) | {"cost": {"monthly_usd": 0.1, "text": "below one cent"}}
    sent = send(desk, review(used, service("aws/sqs", "permission_only", ()), findings=[finding]))
    page = signed_in.get(f"/console/reviews/{sent}")
    headings = re.findall(r'<h2 id="(\w+)"', page.text)
    assert headings == ["changes", "application", "tooling", "nobody", "findings"]
    tooling = page.text.partition('id="tooling"')[2].partition('id="nobody"')[0]
    application = page.text.partition('id="application"')[2].partition('id="tooling"')[0]
    assert "infra/main.tf:7" in tooling
    assert "infra/main.tf:7" not in application
    assert "below one cent" in tooling
    assert "permission only" in page.words
    assert "iam.tf:12" in page.words
    assert "/console/traffic" in tooling


def test_a_review_says_what_changed_since_the_one_before(desk: Desk, signed_in: Browser):
    first = send(desk, review(service(), service("aws/s3")))
    assert "first review" in signed_in.get(f"/console/reviews/{first}").words
    same = send(desk, review(service(), service("aws/s3")))
    assert "No service and no user differs" in signed_in.get(f"/console/reviews/{same}").words
    last = send(desk, review(service(users=("application",)), service("aws/sqs", "unknown", ())))
    page = signed_in.get(f"/console/reviews/{last}")
    assert "AWS/DYNAMODB aws/dynamodb : other users (now also application, no longer tooling)" in page.words
    assert "AWS/S3 aws/s3 : gone; it was used" in page.words
    assert "AWS/SQS aws/sqs : new: unknown" in page.words
    assert f"/console/reviews/{same}" in page.text


def test_a_service_with_many_places_is_cut_and_says_so(desk: Desk, signed_in: Browser):
    one = service()
    many = one | {"evidence": one["evidence"] * (pages.MAX_EVIDENCE + 7)}
    page = signed_in.get(f"/console/reviews/{send(desk, review(many))}")
    assert page.text.count("infra/main.tf:7") == pages.MAX_EVIDENCE
    assert "7 more places" in page.words


def test_a_visitor_sees_no_review_of_others(desk: Desk, console: Console):
    sent = send(desk, review(service()))
    other = Browser(desk, console)
    other.sign_in(desk.token("other", {"namespace": NAMESPACE, "rights": ["write"]}))
    assert "/src/app" not in other.get("/console/reviews").text
    refused = other.get(f"/console/reviews/{sent}")
    assert refused.status == 404
    assert "cannot find the review" in refused.words


@pytest.mark.parametrize(
    "query", ["before=x", "before=-1", f"before={'9' * 19}", "before=9999999999999999999999", "limit=1"]
)
def test_a_strange_page_number_is_no_error(desk: Desk, signed_in: Browser, query: str):
    assert signed_in.get("/console/reviews", query).status == 200


@pytest.mark.parametrize("path", ["/console/reviews/%ff", "/console/reviews/x%00", "/console/reviews/" + "x" * 5000])
def test_a_strange_id_is_not_found(signed_in: Browser, path: str):
    assert signed_in.get(path).status == 404


def test_a_root_that_is_no_text_is_refused(desk: Desk, signed_in: Browser):
    assert signed_in.get("/console/reviews", "root=%ff").status == 400


def test_traffic_names_who_still_locks_through_the_table(desk: Desk, signed_in: Browser):
    assert "Nobody has locked anything" in signed_in.get("/console/traffic").words
    desk.lock("a.tfstate", version="1.9.8")
    page = signed_in.get("/console/traffic")
    assert "1 client still locks through the DynamoDB table" in page.words
    assert "1.9.8" in page.words
    assert "alice@laptop" in page.words


def test_times_can_be_read_by_machines(desk: Desk, signed_in: Browser):
    sent = send(desk, review())
    times = re.findall(r'<time datetime="([^"]+)">([^<]+)</time>', signed_in.get(f"/console/reviews/{sent}").text)
    assert times == [("2027-01-15T08:00:00Z", "2027-01-15 08:00 UTC")]
