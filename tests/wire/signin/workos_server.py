"""A server with the shape of WorkOS's API, written from its reference: what sign-in asks of it, and nothing else.

`python -m tests.wire.signin.workos_server` listens on a free loopback port and prints `WorkOS at URL`. Sources: WorkOS API
reference, "Get an authorization URL", "Authenticate with code" (PKCE: `code_verifier`), "List directories", "List
directory users" (`directory`, `email`), "List directory groups" (`user`), pagination (`list_metadata`), errors. The real
service was not asked.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import socket
import sys

from flask import Flask, jsonify, redirect, request
from werkzeug.serving import make_server

API_KEY = "sk_test_of_this_server"
CLIENT_ID = "client_01TEST"
TIME = "2026-01-15T12:00:00.000Z"
app = Flask(__name__)
numbers = itertools.count(1)
codes: dict[str, dict] = {}
world: dict = {"people": {}, "directories": {}, "redirects": [], "page": 2}
asked: list[str] = []


@app.before_request
def note():
    if not request.path.startswith("/-/"):
        asked.append(f"{request.method} {request.path}")


@app.put("/-/world")
def put_world():
    world.update(request.get_json())
    return "", 204


@app.get("/-/asked")
def get_asked():
    return jsonify(asked)


@app.get("/user_management/authorize")
def authorize():
    given = request.args
    if given.get("client_id") != CLIENT_ID or given.get("redirect_uri") not in world["redirects"]:
        return jsonify({"error": "invalid_redirect_uri"}), 400
    if given.get("code_challenge_method") != "S256" or given.get("response_type") != "code":
        return jsonify({"error": "invalid_request"}), 400
    if bool(given.get("provider")) == bool(given.get("organization_id")):
        return jsonify({"error": "connection_selector"}), 400
    person = world["people"].get(given.get("login_hint") or world.get("who", ""))
    if person is None:
        return redirect(f"{given['redirect_uri']}?error=access_denied&state={given['state']}")
    code = f"code_{next(numbers)}"
    organization = given.get("organization_id") or person.get("organization_id")
    codes[code] = {"person": person, "challenge": given["code_challenge"], "organization": organization}
    return redirect(f"{given['redirect_uri']}?code={code}&state={given['state']}")


@app.post("/user_management/authenticate")
def authenticate():
    given = request.get_json()
    if given.get("client_secret") != API_KEY or given.get("client_id") != CLIENT_ID:
        return jsonify({"error": "invalid_client", "error_description": "Invalid client secret."}), 401
    kept = codes.pop(given.get("code", ""), None)
    digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if given.get("grant_type") != "authorization_code" or kept is None or kept["challenge"] != challenge:
        return jsonify({"error": "invalid_grant", "error_description": "The code has expired or is invalid."}), 400
    person = kept["person"]
    user = {
        "object": "user",
        "id": person["id"],
        "email": person["email"],
        "email_verified": person.get("email_verified", True),
        "first_name": person.get("first_name"),
        "last_name": person.get("last_name"),
        "profile_picture_url": None,
        "last_sign_in_at": TIME,
        "external_id": None,
        "metadata": {},
        "created_at": TIME,
        "updated_at": TIME,
    }
    answer = {
        "user": user,
        "access_token": "eyJhbGciOiJub25lIn0.e30.",
        "refresh_token": "refresh",
        "authentication_method": "SSO",
    }
    if kept["organization"]:
        answer["organization_id"] = kept["organization"]
    return jsonify(answer)


def _keyed() -> bool:
    return request.headers.get("authorization") == f"Bearer {API_KEY}"


def _listed(rows: list[dict]):
    """One page (cursor: the id of the last row before)."""
    if not _keyed():
        return jsonify({"message": "Unauthorized"}), 401
    after = request.args.get("after")
    ids = [row["id"] for row in rows]
    start = ids.index(after) + 1 if after in ids else 0
    page = rows[start : start + min(int(request.args.get("limit", 10)), world["page"])]
    more = page[-1]["id"] if page and start + len(page) < len(rows) else None
    return jsonify({"object": "list", "data": page, "list_metadata": {"before": None, "after": more}})


@app.get("/directories")
def directories():
    wanted = request.args.get("organization_id")
    return _listed(
        [
            {
                "object": "directory",
                "id": name,
                "organization_id": each["organization_id"],
                "external_key": "k",
                "type": "okta scim v2.0",
                "state": "linked",
                "name": name,
                "created_at": TIME,
                "updated_at": TIME,
            }
            for name, each in world["directories"].items()
            if each["organization_id"] == wanted
        ]
    )


@app.get("/directory_users")
def directory_users():
    directory = request.args.get("directory", "")
    email = request.args.get("email", "")
    return _listed(
        [
            {
                "object": "directory_user",
                "id": user["id"],
                "directory_id": directory,
                "organization_id": world["directories"][directory]["organization_id"],
                "idp_id": user["id"],
                "email": user["email"],
                "first_name": None,
                "last_name": None,
                "state": user.get("state", "active"),
                "raw_attributes": {},
                "custom_attributes": {},
                "groups": [],
                "created_at": TIME,
                "updated_at": TIME,
            }
            for user in world["directories"].get(directory, {}).get("users", [])
            if user["email"] == email
        ]
    )


@app.get("/directory_groups")
def directory_groups():
    wanted = request.args.get("user", "")
    return _listed(
        [
            {
                "object": "directory_group",
                "id": group["id"],
                "idp_id": group["id"],
                "directory_id": name,
                "organization_id": each["organization_id"],
                "name": group["name"],
                "raw_attributes": {},
                "created_at": TIME,
                "updated_at": TIME,
            }
            for name, each in world["directories"].items()
            for user in each.get("users", [])
            if user["id"] == wanted
            for group in user.get("groups", [])
        ]
    )


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listening = make_server("127.0.0.1", port, app, threaded=True)
    print(f"WorkOS at http://127.0.0.1:{port}", flush=True)
    listening.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
