"""Signing in and out: cookies, sessions, forms that are believed and forms that are not."""

from __future__ import annotations

import pytest

from lockhouse.console.app import ROUTES, Access, Console
from lockhouse.console.guard import POLICY
from lockhouse.protocols.web import Headers, Request
from lockhouse.runtime.entrance import MAX_OF_ONE, Terms
from tests.unit.console.browser import Browser
from tests.unit.console.doors import entrance_of
from tests.unit.protocols.api.desk import NAMESPACE, Desk

CLOSED = [route for route in ROUTES if route.access is Access.SIGNED_IN and route.method == "GET"]
FORMS = [route.path.format(id="0" * 20) for route in ROUTES if route.method == "POST"]
SESSION_SECONDS = 8 * 3600.0


def path_of(route) -> str:
    return route.path.format(id="nothing")


@pytest.mark.parametrize("route", CLOSED, ids=lambda route: route.path)
def test_a_page_without_a_session_leads_to_the_form(browser: Browser, route):
    for cookie in ("", "0" * 64, "x"):
        browser.cookies = {"lockhouse": cookie} if cookie else {}
        page = browser.get(path_of(route))
        assert page.status == 303
        assert page.header("location").startswith("/console/sign-in?next=/console/")
        assert page.text == ""


def test_every_route_says_who_may_come_in_and_only_these_are_open():
    assert {(route.method, route.path) for route in ROUTES if route.access is not Access.SIGNED_IN} == {
        ("GET", "/console/style.css"),
        ("GET", "/console/sign-in"),
        ("POST", "/console/sign-in"),
        ("GET", "/console/sign-in/start"),
        ("GET", "/console/sign-in/callback"),
        ("POST", "/console/sign-out"),
    }


def test_a_token_signs_in_and_leads_to_where_one_wanted_to_go(browser: Browser):
    assert browser.sign_in().header("location") == "/console/reviews"
    assert "administrator" in browser.get("/console/reviews").words
    browser.cookies.clear()
    assert browser.sign_in(target="/console/traffic").header("location") == "/console/traffic"
    assert browser.get("/console/sign-in").status == 303


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/console/../x", "/console//evil", "/", "/console/\\x", "javascript:1"],
)
def test_signing_in_never_leads_elsewhere(browser: Browser, target: str):
    page = browser.get("/console/sign-in")
    answer = browser.post(
        "/console/sign-in",
        {"token": browser.desk.credentials.token, "form_token": page.form_token, "next": target},
    )
    assert answer.header("location") == "/console/reviews"


@pytest.mark.parametrize("token", ["", "lkh_x", "x" * 5000, "\x00", "lkh_" + "A" * 16 + "_" + "x" * 43])
def test_a_wrong_token_is_refused_in_words(browser: Browser, token: str):
    page = browser.get("/console/sign-in")
    answer = browser.post("/console/sign-in", {"token": token, "form_token": page.form_token})
    assert answer.status == 403
    assert "unknown, revoked" in answer.words
    assert not token or token not in answer.text
    assert browser.get("/console/reviews").status == 303


def test_the_cookie_over_http_has_a_plain_name_and_over_https_the_host_prefix(desk: Desk, console: Console):
    plain = Browser(desk, console).sign_in().header("set-cookie")
    assert plain.startswith("lockhouse=")
    assert plain.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=28800"]
    secure = Browser(desk, console, scheme="https").sign_in().header("set-cookie")
    assert secure.startswith("__Host-lockhouse=")
    assert secure.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=28800"]


def test_behind_a_proxy_that_ends_tls_the_cookie_is_secure(desk: Desk):
    console = Console(desk.house, entrance_of(desk, public_url="https://locks.example"))
    browser = Browser(desk, console, host="locks.example")
    page = browser.get("/console/sign-in")
    fields = {"token": desk.credentials.token, "form_token": page.form_token}
    signed = browser.post("/console/sign-in", fields, origin="https://locks.example")
    assert signed.status == 303
    assert signed.header("set-cookie").startswith("__Host-lockhouse=")


def test_the_name_in_the_cookie_changes_with_the_sign_in(browser: Browser):
    browser.get("/console/sign-in")
    before = browser.cookies["lockhouse"]
    browser.sign_in()
    assert browser.cookies["lockhouse"] != before
    browser.cookies["lockhouse"] = before
    assert browser.get("/console/reviews").status == 303


def test_signing_in_again_ends_the_session_before(browser: Browser):
    browser.sign_in()
    first = browser.cookies["lockhouse"]
    token = browser.get("/console/reviews").form_token
    browser.post("/console/sign-in", {"token": browser.desk.credentials.token, "form_token": token})
    browser.cookies["lockhouse"] = first
    assert browser.get("/console/reviews").status == 303


def test_a_session_ends_after_eight_hours_with_sign_out_and_with_its_token(desk: Desk, console: Console):
    late, leaving, revoked = (Browser(desk, console) for _ in range(3))
    late.sign_in()
    for _ in range(15):
        desk.now += SESSION_SECONDS / 16
        assert late.get("/console/reviews").status == 200
    desk.now += SESSION_SECONDS / 16 - 1
    assert late.get("/console/reviews").status == 200
    desk.now += 1
    assert late.get("/console/reviews").status == 303
    leaving.sign_in()
    name = leaving.cookies["lockhouse"]
    answer = leaving.post("/console/sign-out", {"form_token": leaving.get("/console/reviews").form_token})
    assert "Max-Age=0" in answer.header("set-cookie")
    leaving.cookies["lockhouse"] = name
    assert leaving.get("/console/reviews").status == 303
    token = desk.token("someone", {"namespace": NAMESPACE, "rights": ["read"]})
    revoked.sign_in(token)
    assert revoked.get("/console/reviews").status == 200
    desk.ask("DELETE", "/keys/someone")
    assert revoked.get("/console/reviews").status == 303


def test_a_token_that_expires_ends_its_session(desk: Desk, console: Console):
    browser = Browser(desk, console)
    browser.sign_in(desk.ask("POST", "/tokens", {"expires_in": 60}).json["token"])
    assert browser.get("/console/reviews").status == 200
    desk.now += 60
    assert browser.get("/console/reviews").status == 303


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://locks.example:7373.evil.example"},
        {"origin": "http://evil.example@locks.example:7373"},
        {"origin": "file://locks.example:7373"},
        {"origin": ""},
        {"origin": "", "sec_fetch_site": "cross-site"},
        {"origin": "", "sec_fetch_site": "none"},
        {"content_type": "text/plain"},
        {"content_type": "application/json"},
    ],
)
def test_a_form_of_another_site_or_shape_is_not_believed(browser: Browser, path: str, headers: dict[str, str]):
    browser.sign_in()
    page = browser.get("/console/reviews")
    answer = browser.post(path, {"form_token": page.form_token, "token": browser.desk.credentials.token}, **headers)
    assert answer.status == 400
    assert answer.header("set-cookie") == ""
    assert browser.get("/console/reviews").status == 200


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_the_token_of_its_visitor_is_not_believed(desk: Desk, console: Console, path: str):
    browser, other = Browser(desk, console), Browser(desk, console)
    browser.sign_in()
    theirs = other.get("/console/sign-in").form_token
    for form_token in ("", "0" * 64, theirs, "é"):
        assert browser.post(path, {"form_token": form_token, "token": desk.credentials.token}).status == 400
    own = browser.get("/console/reviews").form_token
    browser.cookies.clear()
    assert browser.post(path, {"form_token": own, "token": desk.credentials.token}).status == 400


def test_a_form_is_believed_when_the_browser_says_same_origin_in_the_other_header(browser: Browser):
    browser.sign_in()
    page = browser.get("/console/reviews")
    answer = browser.post("/console/sign-out", {"form_token": page.form_token}, origin="", sec_fetch_site="same-origin")
    assert answer.status == 303


def test_a_long_form_is_refused(browser: Browser):
    page = browser.get("/console/sign-in")
    assert browser.post("/console/sign-in", {"form_token": page.form_token, "token": "x" * 9000}).status == 413
    many = {f"field{number}": "x" for number in range(50)}
    assert browser.post("/console/sign-in", many).status == 400


@pytest.mark.parametrize(
    "path", ["/console/", "/console/sign-in", "/console/style.css", "/console/nothing", "/console/reviews"]
)
def test_every_answer_carries_the_policy_and_is_not_kept(browser: Browser, path: str):
    for signed_in in (False, True):
        if signed_in:
            browser.sign_in()
        for page in (browser.get(path), browser.post(path, {}, origin="")):
            assert page.header("content-security-policy") == POLICY
            assert page.header("cache-control") == "no-store"
            assert page.header("x-content-type-options") == "nosniff"
            assert page.header("referrer-policy") == "same-origin"
    assert POLICY == (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


def test_head_answers_without_a_body_and_other_methods_are_refused(browser: Browser):
    assert browser.get("/console/sign-in", method="HEAD").text == ""
    wrong = browser.get("/console/sign-in", method="DELETE")
    assert (wrong.status, wrong.header("allow")) == (405, "GET, POST")


def test_two_cookies_of_the_name_are_no_cookie(browser: Browser):
    browser.sign_in()
    name = browser.cookies.pop("lockhouse")
    browser.cookies = {"a": f"1; lockhouse={name}", "lockhouse": "0" * 64}
    assert browser.get("/console/reviews").status == 303


def test_sessions_of_one_principal_are_bounded_and_the_oldest_ends(desk: Desk, console: Console):
    first, second = Browser(desk, console), Browser(desk, console)
    first.sign_in()
    desk.now += 1
    second.sign_in()
    for _ in range(MAX_OF_ONE - 1):
        desk.now += 1
        Browser(desk, console).sign_in()
    assert first.get("/console/reviews").status == 303
    assert second.get("/console/reviews").status == 200


def test_a_session_that_nobody_uses_ends_and_one_in_use_does_not(desk: Desk):
    console = Console(desk.house, entrance_of(desk, terms=Terms(lifetime=7200.0, idle=600.0)))
    used, idle = Browser(desk, console), Browser(desk, console)
    used.sign_in()
    idle.sign_in()
    for _ in range(3):
        desk.now += 250
        assert used.get("/console/reviews").status == 200
    assert idle.get("/console/reviews").status == 303
    assert idle.get("/console/reviews").status == 303
    desk.now += 600
    assert used.get("/console/reviews").status == 303


def test_sessions_outlive_the_process_and_are_the_same_for_every_replica(desk: Desk, console: Console):
    browser = Browser(desk, console)
    browser.sign_in()
    other = Browser(desk, Console(desk.house, entrance_of(desk)))
    other.cookies = dict(browser.cookies)
    page = other.get("/console/reviews")
    assert page.status == 200
    assert browser.post("/console/sign-out", {"form_token": page.form_token}).status == 303
    assert other.get("/console/reviews").status == 303


def test_what_is_kept_of_a_session_does_not_open_it(desk: Desk, browser: Browser):
    browser.sign_in()
    (kept,) = desk.directory.store.read(lambda tx: tx.sessions())
    name = browser.cookies["lockhouse"]
    assert name.encode() not in repr(kept).encode()
    for stolen in (kept.id, kept.digest.hex(), kept.id.ljust(64, "0")):
        browser.cookies["lockhouse"] = stolen
        assert browser.get("/console/reviews").status == 303
    browser.cookies["lockhouse"] = name
    assert browser.get("/console/reviews").status == 200


def test_somebody_sees_their_sessions_and_ends_the_others(desk: Desk, console: Console):
    here, there = Browser(desk, console), Browser(desk, console)
    here.sign_in()
    there.sign_in()
    page = here.get("/console/sessions")
    assert (page.text.count("203.0.113.7"), page.text.count("/end")) == (2, 1)
    session = page.text.partition("/console/sessions/")[2].partition("/end")[0]
    answer = here.post(f"/console/sessions/{session}/end", {"form_token": page.form_token})
    assert answer.header("location") == "/console/sessions"
    assert there.get("/console/reviews").status == 303
    assert here.get("/console/sessions").text.count("203.0.113.7") == 1


def test_nobody_ends_the_session_of_somebody_else(desk: Desk, console: Console):
    theirs, mine = Browser(desk, console), Browser(desk, console)
    theirs.sign_in()
    mine.sign_in(desk.token("someone", {"namespace": NAMESPACE, "rights": ["read"]}))
    page = mine.get("/console/sessions")
    owner = desk.authenticator.token(desk.credentials.token)
    (session,) = desk.directory.store.read(lambda tx: tx.sessions(owner.principal))
    assert session.id not in page.text
    answer = mine.post(f"/console/sessions/{session.id}/end", {"form_token": page.form_token})
    assert answer.status == 303
    assert theirs.get("/console/reviews").status == 200


def test_after_ten_failures_an_address_waits_and_is_let_in_later(desk: Desk, browser: Browser):
    page = browser.get("/console/sign-in")
    wrong = {"form_token": page.form_token, "token": "lkh_wrong"}
    assert [browser.post("/console/sign-in", wrong).status for _ in range(12)] == [403] * 10 + [429] * 2
    assert browser.sign_in().status == 429
    desk.now += 31
    assert browser.sign_in().status == 303


def test_an_access_key_with_its_secret_signs_in_too(desk: Desk, browser: Browser):
    page = browser.get("/console/sign-in")
    key = desk.credentials
    fields = {"form_token": page.form_token, "user": key.access_key_id, "token": key.secret_access_key}
    assert browser.post("/console/sign-in", fields | {"user": "LHK" + "A" * 17}).status == 403
    assert browser.post("/console/sign-in", fields).status == 303
    assert "administrator" in browser.get("/console/reviews").words


@pytest.mark.parametrize(
    ("method", "path", "accept", "wanted"),
    [
        ("GET", "/", "text/html,application/xhtml+xml", True),
        ("GET", "/", "*/*", False),
        ("GET", "/", "", False),
        ("POST", "/", "text/html", False),
        ("GET", "/console", "", True),
        ("GET", "/console/reviews", "", True),
        ("GET", "/consolex", "text/html", False),
        ("GET", "/bucket/console/", "text/html", False),
    ],
)
def test_the_console_takes_its_own_paths_and_the_front_page_of_browsers(method, path, accept, wanted):
    headers = Headers([(b"accept", accept.encode())] if accept else [])
    request = Request(method, path.encode(), b"", headers, "http", "", "R", lambda: None, lambda: None)
    assert Console.wants(request) is wanted


def test_a_browser_at_the_front_page_is_led_to_the_console(browser: Browser):
    answer = browser.get("/", accept="text/html")
    assert (answer.status, answer.header("location")) == (303, "/console/reviews")


def test_what_nobody_foresaw_is_answered_without_a_word_of_it(browser: Browser, caplog: pytest.LogCaptureFixture):
    browser.sign_in()
    browser.desk.house.engine.now = lambda: 1 / 0
    page = browser.get("/console/reviews")
    assert page.status == 500
    assert "REQUEST1" in page.words
    assert "ZeroDivision" not in page.text
    assert "ZeroDivision" in caplog.text
