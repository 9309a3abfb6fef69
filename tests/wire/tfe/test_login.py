"""`terraform login`: what the two OAuth endpoints accept, and all that they must refuse."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import pytest

from lockhouse.console import guard

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
ASKED = {
    "client_id": "terraform-cli",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "redirect_uri": "http://localhost:10004/login",
    "response_type": "code",
    "state": "s-1",
}


def session_of(rig, password: str, user: str = "") -> str:
    """Sign in as the console does; the name in the cookie."""
    signed = rig.entrance.local("", user, password, peer="192.0.2.1", agent="")
    return asyncio.run_coroutine_threadsafe(signed, rig.loop).result(10)


def browser(name: str) -> dict[str, str]:
    return {"cookie": f"__Host-lockhouse={name}", "origin": "https://lock.test"}


def consent(rig, name: str, form_token: str | None = None, headers=None, **changes: str):
    token = rig.entrance.form_token(name) if form_token is None else form_token
    form = urlencode(ASKED | {"form_token": token} | changes).encode()
    return rig.ask("POST", "/oauth/authorization", form, headers=browser(name) if headers is None else headers)


def sign_in(rig, password: str, user: str = "", **changes: str):
    return consent(rig, session_of(rig, password, user), **changes)


def code_of(answer) -> str:
    assert answer.status == 303, answer.body
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["state"] == ["s-1"]
    return query["code"][0]


def exchange(rig, code: str, **changes: str):
    form = {
        "client_id": "terraform-cli",
        "code": code,
        "code_verifier": VERIFIER,
        "grant_type": "authorization_code",
        "redirect_uri": ASKED["redirect_uri"],
    } | changes
    return rig.ask("POST", "/oauth/token", urlencode(form).encode())


def test_a_token_or_a_key_signs_in_and_the_code_becomes_one_token_once(rig, ann):
    for pair in ((ann.user.token, ""), (ann.user.secret, ann.user.key)):
        code = code_of(sign_in(rig, *pair))
        answer = exchange(rig, code)
        assert answer.json()["token_type"] == "bearer"
        use = {"authorization": f"Bearer {answer.json()['access_token']}"}
        assert rig.ask("GET", "/api/v2/account/details", headers=use).json()["data"]["attributes"]["username"] == "ann"
        again = exchange(rig, code)
        assert (again.status, again.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43}, {"code_verifier": ""}, {"client_id": "other"}, {"grant_type": "password"},
        {"redirect_uri": "http://localhost:10005/login"}, {"code": "x"},
    ],
)  # fmt: skip
def test_a_code_is_worth_nothing_to_who_did_not_ask_for_it(rig, ann, changes):
    code = code_of(sign_in(rig, ann.user.token))
    assert exchange(rig, **{"code": code} | changes).status == 400
    assert exchange(rig, code).status == 200


def test_a_code_ends_after_five_minutes_and_with_the_credential_behind_it(rig, ann, bob):
    late = code_of(sign_in(rig, ann.user.token))
    rig.now += 301
    assert exchange(rig, late).status == 400
    gone = code_of(sign_in(rig, bob.user.token))
    rig.revoke(bob.user)
    assert exchange(rig, gone).status == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": uri}
        for uri in (
            "https://localhost:10004/login", "http://evil.example:10004/login", "http://localhost/login",
            "http://localhost@evil.example:10004/", "http://localhost:80/x", "javascript:alert(1)", "",
            "http://127.0.0.1:99999/", "http://localhost:10004/login\r\nx: y",
        )
    ]
    + [
        {"client_id": "x"}, {"code_challenge": "short"}, {"code_challenge_method": "plain"}, {"response_type": "token"},
    ],
)  # fmt: skip
def test_a_request_that_is_not_terraforms_is_refused_before_anybody_signs_in(rig, ann, changes):
    assert rig.ask("GET", "/oauth/authorization?" + urlencode(ASKED | changes)).status == 400
    assert sign_in(rig, ann.user.token, **changes).status == 400


def test_a_browser_without_a_session_is_sent_to_sign_in_and_back(rig, ann):
    for headers in ({}, browser("0" * 64)):
        answer = rig.ask("GET", "/oauth/authorization?" + urlencode(ASKED), headers=headers)
        assert answer.status == 303
        path, _, query = answer.headers["location"].partition("?next=")
        back = unquote(query)
        assert path == "/console/sign-in"
        assert guard.inside(back) == back
        assert dict(parse_qsl(back.partition("?")[2])) == ASKED
    assert consent(rig, "0" * 64).headers["location"].startswith("/console/sign-in?next=")


def test_no_code_without_a_click_on_our_own_page(rig, ann):
    name = session_of(rig, ann.user.token)
    other = rig.entrance.form_token("0" * 64)
    assert consent(rig, name, form_token="").status == 400
    assert consent(rig, name, form_token=other).status == 400
    for origin in ("https://evil.example", "null", ""):
        headers = browser(name) | {"origin": origin}
        assert consent(rig, name, headers=headers if origin else {"cookie": headers["cookie"]}).status == 400
    assert consent(rig, name).status == 303


def test_a_code_ends_with_the_session_in_which_somebody_said_yes(rig, ann):
    name = session_of(rig, ann.user.token)
    code = code_of(consent(rig, name))
    asyncio.run_coroutine_threadsafe(rig.entrance.leave(name), rig.loop).result(10)
    assert exchange(rig, code).json() == {"error": "invalid_grant"}


def test_a_token_of_a_login_is_listed_with_its_end_and_stops_then(rig, ann):
    answer = exchange(rig, code_of(sign_in(rig, ann.user.token)))
    token = answer.json()["access_token"]
    kept = rig.store.read(lambda tx: tx.credential(token.split("_")[1]))
    assert (kept.description, kept.expires_at) == ("terraform login", rig.now + 90 * 86400)
    use = {"authorization": f"Bearer {token}"}
    assert rig.ask("GET", "/api/v2/account/details", headers=use).status == 200
    rig.now += 90 * 86400
    assert rig.ask("GET", "/api/v2/account/details", headers=use).status == 401


def test_the_page_asks_for_consent_runs_no_script_and_escapes_what_it_carries(rig, ann):
    name = session_of(rig, ann.user.token)
    hostile = urlencode(ASKED | {"state": '"><script>alert(1)</script>'})
    answer = rig.ask("GET", "/oauth/authorization?" + hostile, headers=browser(name))
    assert answer.status == 200
    assert b"<bdi>ann</bdi>" in answer.body
    assert b"<script" not in answer.body
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://localhost:10004" in policy
    assert "frame-ancestors 'none'" in policy
    style = re.search(rb"<style>(.*)</style>", answer.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
    assert f"'sha256-{digest}'" in policy
