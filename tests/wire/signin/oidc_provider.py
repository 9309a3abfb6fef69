"""An OpenID Connect provider as a process of its own: Authlib's authorization server behind Flask, with its own keys.

`python -m tests.signin.oidc_provider` listens on a free loopback port and prints `Provider at URL`. People, groups and
faults are set over `/-/…`, which no client of the protocol uses. It does what a provider does: checks the client's secret,
the exact redirect address and the PKCE verifier, uses every code once, signs with the newest of its keys and publishes
those that it still stands by. A fault makes it sign one ID token that must not be believed.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import socket
import sys
import time
from dataclasses import dataclass, field

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from flask import Flask, jsonify, redirect, request, session
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from werkzeug.serving import make_server

CLIENT_ID = "lockhouse"
CLIENT_SECRET = "not-much-of-a-secret"


@dataclass
class Client(ClientMixin):
    """The one client."""

    redirect_uris: list[str] = field(default_factory=list)

    def get_client_id(self):
        return CLIENT_ID

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret):
        return secrets.compare_digest(client_secret, CLIENT_SECRET)

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type == "authorization_code"


@dataclass
class Code:
    """One authorization code."""

    code: str
    user: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str
    auth_time: float = field(default_factory=time.time)

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return int(self.auth_time)

    def get_acr(self):
        return None

    def get_amr(self):
        return None

    def is_expired(self):
        return time.time() > self.auth_time + 60


@dataclass
class User:
    """Somebody who can sign in, with what is claimed of them."""

    sub: str
    claims: dict

    def get_user_id(self):
        return self.sub


class World:
    """What this provider knows."""

    def __init__(self) -> None:
        self.issuer = ""
        self.users: dict[str, User] = {}
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, str] = {}
        self.client = Client()
        self.keys: list[RSAKey | ECKey] = []
        self.published: list[dict] = []
        self.fault: dict = {}
        self.in_userinfo: list[str] = []
        self.asked: dict[str, int] = {}
        self.last_id_token = ""
        self.rotate()

    def rotate(self, kind: str = "RSA", *, drop: bool = False) -> str:
        kid = secrets.token_hex(4)
        made = (
            RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})
            if kind == "RSA"
            else ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})
        )
        self.keys = [made] if drop else [*self.keys, made]
        self.published = [each.as_dict(private=False) for each in self.keys]
        return kid


world = World()
app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def save_authorization_code(self, code, request):
        data = request.payload.data
        world.codes[code] = Code(
            code,
            request.user.sub,
            request.payload.redirect_uri,
            request.payload.scope,
            data.get("nonce", ""),
            data.get("code_challenge", ""),
            data.get("code_challenge_method", ""),
        )

    def query_authorization_code(self, code, client):
        found = world.codes.get(code)
        return found if found is not None and not found.is_expired() else None

    def delete_authorization_code(self, authorization_code):
        world.codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code):
        return world.users[authorization_code.user]


class IdToken(OpenIDCode):
    def exists_nonce(self, nonce, request):
        return False

    def resolve_client_private_key(self, client):
        return world.keys[-1]

    def get_client_algorithm(self, client):
        return "RS256" if world.keys[-1].key_type == "RSA" else "ES256"

    def get_client_claims(self, client):
        return {"iss": world.issuer, "aud": [CLIENT_ID], "exp": int(time.time()) + 300, "iat": int(time.time())}

    def get_encode_header(self, client):
        return {"alg": self.get_client_algorithm(client), "kid": world.keys[-1].kid}

    def generate_user_info(self, user, scope):
        kept = {name: value for name, value in user.claims.items() if name not in world.in_userinfo}
        return UserInfo(sub=user.sub, **kept)

    def encode_id_token(self, token, request):
        made = super().encode_id_token(token, request)
        if world.fault:
            made = spoiled(made, **world.fault)
            world.fault = {}
        world.last_id_token = made
        return made


def spoiled(token: str, *, claims: dict | None = None, drop: list | None = None, how: str = "") -> str:
    """The token with other claims, or with another signature than ours."""
    said = json.loads(_unb64(token.split(".")[1])) | (claims or {})
    for each in drop or []:
        said.pop(each, None)
    kid, key = world.keys[-1].kid, world.keys[-1]
    if how == "none":
        return f"{_b64({'alg': 'none', 'typ': 'JWT'})}.{_b64(said)}."
    if how == "none, signed":
        return f"{_b64({'alg': 'none', 'typ': 'JWT', 'kid': kid})}.{_b64(said)}.{token.split('.')[2]}"
    if how.startswith("hs256"):
        secret = CLIENT_SECRET.encode() if "client secret" in how else key.as_pem(private=False)
        unsigned = f"{_b64({'alg': 'HS256', 'kid': kid})}.{_b64(said)}"
        signature = base64.urlsafe_b64encode(hmac.digest(secret, unsigned.encode(), "sha256"))
        return f"{unsigned}.{signature.decode().rstrip('=')}"
    if how == "a key of its own":
        other = RSAKey.generate_key(2048)
        header = {"alg": "RS256", "kid": kid, "jwk": other.as_dict(private=False)}
        return jwt.encode(header, said, other, algorithms=["RS256"])
    if how == "a key that nobody published":
        other = RSAKey.generate_key(2048)
        return jwt.encode({"alg": "RS256", "kid": "elsewhere"}, said, other, algorithms=["RS256"])
    if how == "too long":
        said["padding"] = "x" * 17_000
    if how == "not a token":
        return "not.a-token"
    if how == "a captured one":
        return world.users["captured"].claims["token"]
    if how == "another payload under the old signature":
        head, _, signature = token.split(".")
        return f"{head}.{_b64(said | {'sub': 'mallory'})}.{signature}"
    return jwt.encode({"alg": "RS256", "kid": kid}, said, key, algorithms=["RS256"])


server = AuthorizationServer(app, query_client=lambda client_id: world.client if client_id == CLIENT_ID else None)
server.init_app(app, save_token=lambda token, request: world.tokens.update({token["access_token"]: request.user.sub}))
server.register_grant(CodeGrant, [IdToken(require_nonce=True), CodeChallenge(required=True)])


@app.before_request
def count():
    world.asked[request.path] = world.asked.get(request.path, 0) + 1


@app.get("/.well-known/openid-configuration")
def discovery():
    here = world.issuer
    return jsonify(
        {
            "issuer": here,
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": f"{here}/token",
            "jwks_uri": f"{here}/jwks",
            "userinfo_endpoint": f"{here}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
        }
    )


@app.get("/jwks")
def jwks():
    return jsonify({"keys": world.published})


@app.route("/authorize", methods=["GET", "POST"])
def authorize():
    if request.method == "POST":
        session["sub"] = request.form["sub"]
    user = world.users.get(session.get("sub", ""))
    if user is None:
        return (
            "<!doctype html><html lang=en><title>Provider</title><form method=post>"
            "<label for=sub>Who are you?</label><input id=sub name=sub><button>Go on</button></form>"
        )
    if request.args.get("prompt_deny") or user.claims.get("denied"):
        back = request.args["redirect_uri"]
        return redirect(f"{back}?error=access_denied&state={request.args['state']}")
    grant = server.get_consent_grant(end_user=user)
    return server.create_authorization_response(grant_user=user, grant=grant)


@app.post("/token")
def token():
    return server.create_token_response()


@app.get("/userinfo")
def userinfo():
    sub = world.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
    if sub is None:
        return jsonify({"error": "invalid_token"}), 401
    return jsonify({"sub": sub, **world.users[sub].claims})


@app.put("/-/users/<sub>")
def put_user(sub):
    world.users[sub] = User(sub, request.get_json())
    return "", 204


@app.put("/-/client")
def put_client():
    world.client.redirect_uris = request.get_json()
    return "", 204


@app.put("/-/fault")
def put_fault():
    world.fault = request.get_json()
    return "", 204


@app.put("/-/in-userinfo")
def put_in_userinfo():
    world.in_userinfo = request.get_json()
    return "", 204


@app.post("/-/rotate")
def post_rotate():
    return jsonify(world.rotate(**request.get_json()))


@app.post("/-/mint")
def post_mint():
    """An ID token with these claims, as a CI system gives one to its job."""
    asked = request.get_json()
    said = {"iss": world.issuer, "iat": int(time.time()), "exp": int(time.time()) + 300, "jti": secrets.token_hex(8)}
    plain = spoiled(f".{_b64(said)}.", claims=asked["claims"], drop=asked.get("drop"))
    return jsonify(spoiled(plain, how=asked["how"]) if asked.get("how") else plain)


@app.get("/-/seen")
def seen():
    return jsonify({"asked": world.asked, "id_token": world.last_id_token})


def _b64(value: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listening = make_server("127.0.0.1", port, app, threaded=True)
    world.issuer = f"http://127.0.0.1:{port}"
    print(f"Provider at {world.issuer}", flush=True)
    listening.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
