"""Signing in and out: cookies, sessions, forms that are believed and forms that are not."""

from __future__ import annotations

import pytest

from lockhouse.console.app import ROUTES, Access, Console
from lockhouse.console.guard import POLICY
from lockhouse.console.sessions import MAX_SESSIONS, SESSION_SECONDS, Sessions
from lockhouse.protocols.web import Headers, Request
from tests.unit.console.browser import Browser
from tests.unit.protocols.api.desk import NAMESPACE, Desk

CLOSED = [route for route in ROUTES if route.access is Access.SIGNED_IN]


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
    assert all(isinstance(route.access, Access) for route in ROUTES)
    assert {(route.method, route.path) for route in ROUTES if route.access is Access.ANYBODY} == {
        ("GET", "/console/style.css"),
        ("GET", "/console/sign-in"),
        ("POST", "/console/sign-in"),
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
    console = Console(desk.house, desk.authenticator, "https://locks.example")
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
    desk.now += SESSION_SECONDS - 1
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


@pytest.mark.parametrize("path", [route.path for route in ROUTES if route.method == "POST"])
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


@pytest.mark.parametrize("path", [route.path for route in ROUTES if route.method == "POST"])
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


def test_sessions_are_bounded_and_the_oldest_ends():
    sessions = Sessions()
    names = [sessions.begin("c", 1.0) for _ in range(MAX_SESSIONS + 1)]
    assert sessions.find(names[0], 2.0) is None
    assert sessions.find(names[1], 2.0) is not None
    assert len(set(names)) == len(names)


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
