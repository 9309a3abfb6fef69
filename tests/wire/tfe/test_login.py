"""`terraform login`: what the two OAuth endpoints accept, and all that they must refuse."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

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


def sign_in(rig, password: str, user: str = "", **changes: str):
    form = urlencode(ASKED | {"user": user, "password": password} | changes).encode()
    return rig.ask("POST", "/oauth/authorization", form)


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
def test_a_request_that_is_not_terraforms_is_refused_before_anybody_types_a_secret(rig, ann, changes):
    assert rig.ask("GET", "/oauth/authorization?" + urlencode(ASKED | changes)).status == 400
    assert sign_in(rig, ann.user.token, **changes).status == 400


def test_a_wrong_secret_shows_the_page_again_and_never_what_was_typed(rig, ann):
    for user, password in (("", "lkh_x"), (ann.user.key, "wrong-secret"), ("", "")):
        answer = sign_in(rig, password, user)
        assert answer.status == 401
        assert b"not known here" in answer.body
        assert b"wrong-secret" not in answer.body


def test_the_page_runs_no_script_and_escapes_what_it_carries(rig):
    answer = rig.ask("GET", "/oauth/authorization?" + urlencode(ASKED | {"state": '"><script>alert(1)</script>'}))
    assert answer.status == 200
    assert b"<script" not in answer.body
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://localhost:10004" in policy
    assert "frame-ancestors 'none'" in policy
    style = re.search(rb"<style>(.*)</style>", answer.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
    assert f"'sha256-{digest}'" in policy
